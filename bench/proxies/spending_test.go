package proxies

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// Through a proxy and three gateways a balance of 500 lets exactly 500 of 2,000 requests reach
// the application.
func TestExactlyTheBalancePasses(t *testing.T) {
	const requests, balance, clients = 2_000, 500, 32
	each(t, func(t *testing.T, p *proxy) {
		s := open(t, p, policy)
		k := newKey(t, credits(balance))
		before := world.application.requests.Load()
		var counts [600]atomic.Int64 // by status
		var spent sync.Map           // what was left after each use
		var next atomic.Int64
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				for next.Add(1) <= requests {
					a, err := s.try("GET", target, nil, "Authorization", "Bearer "+k.secret)
					if err != nil {
						t.Error(err)
						return
					}
					counts[a.status].Add(1)
					if a.seen == nil {
						continue
					}
					left := a.seen.Header.Get("X-Key-Remaining")
					if _, twice := spent.LoadOrStore(left, true); twice {
						t.Errorf("two requests passed with %q uses left: %s", left, a)
					}
				}
			})
		}
		all.Wait()
		if reached := world.application.requests.Load() - before; reached != balance {
			t.Errorf("%d requests reached the application, want %d", reached, balance)
		}
		for status := range counts {
			n, want := counts[status].Load(), int64(0)
			switch status {
			case http.StatusOK:
				want = balance
			case http.StatusTooManyRequests:
				want = requests - balance
			}
			if n != want {
				t.Errorf("%d answers with %d, want %d", n, status, want)
			}
		}
		if left := k.left(t); left != 0 {
			t.Errorf("%d uses are left", left)
		}
		for i, r := range s.relays {
			if r.conns.Load() == 0 {
				t.Errorf("gateway %d was not asked", i+1)
			}
		}
	})
}

// A request that Tollgate has decided, and whose answer is lost, is not sent again: not to the
// same gateway and not to the next. It may have spent once. Go's transport is an exception: a
// GET is sent again where its connection has been used before, and may lose one use more.
func TestNothingIsSentAgain(t *testing.T) {
	const requests = 30
	each(t, func(t *testing.T, p *proxy) {
		once := func(passing int64, env ...string) {
			passed, cuts, spent := open(t, p, policy, env...).loseAnswers(requests, passing)
			if spent != requests || passed != requests-cuts {
				t.Errorf("%d requests, %d passed, %d answers lost, %d uses spent", requests, passed, cuts, spent)
			}
		}
		once(0)
		if !p.resends {
			once(1)
			return
		}
		if p.keep != nil {
			once(1) // it uses no connection twice unless it is told to
		}
		passed, cuts, spent := open(t, p, policy, p.keep...).loseAnswers(requests, 1)
		if spent < passed || spent > requests+cuts {
			t.Errorf("%d requests, %d passed, %d answers lost, %d uses spent", requests, passed, cuts, spent)
		}
	})
}

// loseAnswers sends requests while one gateway's answers are lost, but for the first ones on
// each connection.
func (s *site) loseAnswers(requests int, passing int64) (passed, cuts, spent int) {
	s.Helper()
	k := newKey(s, credits(1000))
	s.relays[1].cutAfter.Store(passing)
	for range requests {
		switch a := s.use(k); {
		case a.seen != nil:
			passed++
		case a.status < 500:
			s.Fatalf("want the application's answer or a failure, got %s", a)
		}
	}
	return passed, int(s.relays[1].cuts.Load()), 1000 - k.left(s)
}
