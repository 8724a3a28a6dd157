package faults

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/ratelimit"
	"tollgate/refill"
	"tollgate/verify"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"
)

// history is the record of what concurrent clients asked of one key and were told.
type history struct {
	w        *world
	server   *redistest.Server
	gateways []gateway
	links    []*redistest.Link
	key      keys.NewKey
	begun    time.Time
	left     atomic.Int64 // operations to make
	unknown  atomic.Int64 // operations whose reply was lost

	mu   sync.Mutex
	list []porcupine.Operation
}

// Whatever concurrent clients of several gateways do to a key, while replies are lost
// and connections cut, there is an order, one after the other, in which each was told
// the truth. An operation whose reply was lost happened once or not at all.
func TestLinearizable(t *testing.T) {
	histories, operations := scale(10, 200), scale(150, 300)
	random := redistest.Rand(t)
	server := redistest.Start(t, redistest.WithMovableClock())
	noon := server.Now().Truncate(24 * time.Hour).Add(36 * time.Hour)
	server.SetClock(noon)
	w := newWorld(t, server.Client(func(o *redis.Options) { o.ReadTimeout = 10 * time.Second }))
	var links []*redistest.Link
	var gateways []gateway
	for range 3 {
		link := redistest.Proxy(t, server.Addr())
		links, gateways = append(links, link), append(gateways, dial(t, "redis://"+link.Addr()))
	}
	made, lost, illegal, undecided := 0, 0, 0, 0
	for range histories {
		h := &history{w: w, server: server, gateways: gateways, links: links, begun: time.Now()}
		h.left.Store(int64(operations))
		h.key = w.Create(keys.KeyDraft{Remaining: keystest.Uses(firstBalance), Refill: &refill.Schedule{Amount: refillTo},
			Limits: []ratelimit.Limit{ever("l", historyLimit)}})
		h.record(random)
		for _, o := range h.list {
			made++
			if o.Output.(result).unknown {
				lost++
			}
		}
		verdict, info := porcupine.CheckOperationsVerbose(model, h.list, 3*time.Minute)
		switch verdict {
		case porcupine.Unknown: // too many orders to look at in the time given
			undecided++
		case porcupine.Illegal:
			illegal++
			path := t.ArtifactDir() + "/history.html"
			_ = porcupine.VisualizePath(model, info, path)
			t.Errorf("%s: see %s", verdict, path)
		}
	}
	row(t, "linearizability, replies lost and cut", "%d histories, %d operations, %d of unknown outcome: %d illegal, %d undecided", histories, made, lost, illegal, undecided)
	if lost == 0 || undecided > 0 {
		t.Error("no reply was lost, or a history could not be decided: that shows nothing")
	}
}

// record lets clients loose on the key, and faults on the clients.
func (h *history) record(random *rand.Rand) {
	var clients, faults sync.WaitGroup
	for i := range 6 {
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		clients.Go(func() {
			for h.left.Add(-1) >= 0 {
				h.one(i, pick(own, h.left.Load()))
			}
		})
	}
	over := make(chan struct{})
	own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
	faults.Go(func() { h.disturb(own, over) })
	clients.Wait()
	close(over)
	faults.Wait()
}

// pick draws an operation; near the end the key may be deleted.
func pick(random *rand.Rand, left int64) operation {
	n := random.Int64N(4)
	switch p := random.IntN(100); {
	case left < 10 && p < 40:
		return operation{what: "delete"}
	case p < 62:
		return operation{"verify", n}
	case p < 66:
		return operation{"set", 5 + n}
	case p < 72:
		return operation{"increment", 3 + n}
	case p < 76:
		return operation{"decrement", n}
	case p < 79:
		return operation{what: "disable"}
	case p < 87:
		return operation{what: "enable"}
	case p < 88:
		return operation{what: "refill"}
	}
	return operation{what: "read"}
}

// one makes an operation and writes down when it began, when it ended, and how.
func (h *history) one(client int, op operation) {
	call := int64(time.Since(h.begun))
	got, err := h.do(h.gateways[client%len(h.gateways)], op)
	end := int64(time.Since(h.begun))
	switch {
	case err != nil && keys.AsError(err).Kind == keys.KindNotFound:
		got = result{absent: true}
	case err != nil && redisdb.NotRun(err):
		return // it never happened
	case err != nil && unavailable(err) && op.what == "read":
		return
	case err != nil && unavailable(err):
		h.unknown.Add(1)
		got, end = result{unknown: true}, math.MaxInt64
	case err != nil:
		h.w.TB.Errorf("%+v: %v", op, err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, porcupine.Operation{ClientId: client, Input: op, Output: got, Call: call, Return: end})
}

func (h *history) do(g gateway, op operation) (result, error) {
	ctx, id := h.w.TB.Context(), h.key.ID
	switch op.what {
	case "verify":
		return h.verify(ctx, g, op.n)
	case "refill":
		h.midnight()
		return result{}, nil
	case "delete":
		return result{}, g.DeleteKey(ctx, h.w.Access, id, false)
	case "disable", "enable":
		return result{}, g.UpdateKey(ctx, h.w.Access, id, keys.KeyPatch{Disabled: keys.To(op.what == "disable")})
	case "read":
		d, err := g.Key(ctx, h.w.Access, id, false)
		if err != nil {
			return result{}, err
		}
		return result{balance: d.State.Balance}, nil
	}
	balance, _, err := g.UpdateCredits(ctx, h.w.Access, id, keys.CreditsOperation(op.what), &op.n)
	if err != nil {
		return result{}, err
	}
	return result{balance: *balance}, nil
}

func (h *history) verify(ctx context.Context, g gateway, cost int64) (result, error) {
	o, err := g.Verify(ctx, &verify.Request{Secret: h.key.Secret, Cost: verify.Costs(cost)})
	if err != nil {
		return result{}, err
	}
	got := result{code: o.Code}
	if o.Remaining != nil {
		got.balance = *o.Remaining
	}
	if len(o.Limits) > 0 {
		got.room = o.Limits[0].Remaining
	}
	return got, nil
}

// clock lets one client at a time move it.
var clock sync.Mutex

// midnight moves the store's clock to the same hour of the next day.
func (h *history) midnight() {
	clock.Lock()
	defer clock.Unlock()
	h.server.Advance(24 * time.Hour)
}

// mostUnknown is how many lost replies a history is disturbed to. Each may stand anywhere
// behind its call or nowhere: with more the orders are too many to look at.
const mostUnknown = 8

// disturb loses and cuts replies of one gateway after the other.
func (h *history) disturb(random *rand.Rand, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(time.Duration(15+random.IntN(40)) * time.Millisecond):
		}
		if h.unknown.Load() >= mostUnknown {
			continue
		}
		link := h.links[random.IntN(len(h.links))]
		switch random.IntN(3) {
		case 0:
			link.LoseReplies()
		case 1:
			link.CutReplies()
		case 2:
			link.CutAfter(random.IntN(400))
		}
		time.Sleep(time.Duration(1+random.IntN(5)) * time.Millisecond)
		link.Restore()
	}
}

// The model refuses what the program must never do.
func TestModelRefuses(t *testing.T) {
	spent := porcupine.Operation{Input: operation{"verify", 3}, Output: result{code: verify.Valid, balance: 17, room: historyLimit - 1}, Call: 0, Return: 1}
	lost := porcupine.Operation{Input: operation{"verify", 3}, Output: result{unknown: true}, Call: 2, Return: math.MaxInt64}
	read := func(balance int64) porcupine.Operation {
		return porcupine.Operation{Input: operation{what: "read"}, Output: result{balance: balance}, Call: 3, Return: 4}
	}
	for _, c := range []struct {
		balance int64
		legal   bool
	}{{17, true}, {14, true}, {11, false}, {20, false}} {
		if got := porcupine.CheckOperations(model, []porcupine.Operation{spent, lost, read(c.balance)}); got != c.legal {
			t.Errorf("a balance of %d after one use of 3 and one lost: legal %t", c.balance, got)
		}
	}
}
