package faults

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// freezing is load on the program while its Redis is frozen.
type freezing struct {
	p          *program
	id, key    string
	frozen     atomic.Int64 // unix ns of the beginning, 0 before
	over       atomic.Bool
	mu         sync.Mutex
	slowest    map[string]time.Duration // by operation, of those that met the frozen Redis
	refused    int
	faults     map[string]int
	succeeded  map[string]bool // operations, before the freeze
	afterwards atomic.Bool
}

// operations are what the program is asked for, by name: those that spend, read,
// create and change. Each is several exchanges with Redis.
func (f *freezing) operations() map[string]func() answered {
	p := f.p
	id, _ := p.createKey(object{"remaining": 5}) // a key that many change at once keeps them waiting
	return map[string]func() answered{
		"verifyKey": func() answered { return p.call("POST", "keys.verifyKey", object{"key": f.key}) },
		"getKey":    func() answered { return p.call("GET", "keys.getKey?keyId="+f.id, nil) },
		"createKey": func() answered { return p.call("POST", "keys.createKey", object{"apiId": p.api, "name": "n"}) },
		"updateKey": func() answered { return p.call("POST", "keys.updateKey", object{"keyId": id, "name": "n"}) },
		"updateRemaining": func() answered {
			return p.call("POST", "keys.updateRemaining", object{"keyId": f.id, "op": "increment", "value": 1})
		},
	}
}

// press sends one operation after the other, and judges the answers that met the
// frozen Redis: those that began after it froze must be refused.
func (f *freezing) press(name string, ask func() answered) {
	for !f.over.Load() {
		frozenBefore := f.frozen.Load()
		a := ask()
		frozenAfter := f.frozen.Load()
		if frozenAfter == 0 {
			f.before(name, a)
			continue
		}
		fault := a.refusal()
		f.mu.Lock()
		f.slowest[name] = max(f.slowest[name], a.took)
		if fault == "" {
			f.refused++
		}
		f.mu.Unlock()
		if fault != "" && frozenBefore != 0 {
			f.fault(name + " while frozen: " + fault)
		}
	}
}

// before judges an answer from before the freeze. Each operation must succeed once, and none
// may fail, but for what waited for Redis as long as a request does: a machine that is busy
// with other tests stops Redis too.
func (f *freezing) before(name string, a answered) {
	switch {
	case f.afterwards.Load():
	case a.status == http.StatusOK:
		f.mu.Lock()
		f.succeeded[name] = true
		f.mu.Unlock()
	case a.status != http.StatusServiceUnavailable || a.took < waits:
		f.fault(fmt.Sprintf("%s before the freeze: %d %v", name, a.status, a.err))
	}
}

// waits is nearly how long a request waits for Redis: --redis-timeout, where nothing is said.
const waits = 200 * time.Millisecond

func (f *freezing) fault(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[what]++
}

// A frozen Redis is a 503 in the dialect's shape within 300 ms for whatever is asked,
// and leaves nothing behind in the gateway when it is over.
func TestFrozen(t *testing.T) {
	p := startProgram(t, "--log-level", "debug")
	f := &freezing{p: p, slowest: map[string]time.Duration{}, faults: map[string]int{}, succeeded: map[string]bool{}}
	f.id, f.key = p.createKey(object{"remaining": 1_000_000})
	var group sync.WaitGroup
	// One connection each: the program has a goroutine for every one that there ever was at once.
	p.client.CloseIdleConnections()
	callers := 4*scale(4, 12) + 1
	p.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: callers, MaxConnsPerHost: callers}}
	for name, ask := range f.operations() {
		callers := scale(4, 12)
		if name == "updateKey" {
			callers = 1
		}
		for range callers {
			group.Go(func() { f.press(name, ask) })
		}
	}
	time.Sleep(500 * time.Millisecond)
	goroutines, memory := p.metric("go_goroutines"), p.metric("process_resident_memory_bytes")
	if err := p.stack.Redis.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond) // the process stops at its next time slice
	f.frozen.Store(time.Now().UnixNano())
	time.Sleep(scale(1500*time.Millisecond, 10*time.Second))
	f.afterwards.Store(true)
	f.frozen.Store(0)
	time.Sleep(quick) // whoever met the frozen Redis has been answered
	if err := p.stack.Redis.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	thawed := time.Now()
	for p.call("POST", "keys.verifyKey", object{"key": f.key}).status != http.StatusOK {
		time.Sleep(5 * time.Millisecond)
	}
	healed := time.Since(thawed)
	f.over.Store(true)
	group.Wait()
	back := p.backTo(goroutines+10, memory+64<<20, 5*time.Second)

	for name, took := range f.slowest {
		row(t, "Redis frozen: "+name, "slowest 503 after %s", took.Round(time.Millisecond))
		if took > quick {
			t.Errorf("%s took %s", name, took)
		}
	}
	row(t, "Redis frozen", "%d requests answered 503, healed %s after the thaw, goroutines and memory back %t", f.refused, healed.Round(time.Millisecond), back)
	if len(f.succeeded) != len(f.slowest) || len(f.slowest) != 5 {
		t.Errorf("before the freeze %v succeeded, of %v", f.succeeded, f.slowest)
	}
	for what, n := range f.faults {
		t.Errorf("%d times: %s", n, what)
	}
	if f.refused == 0 || !back || healed > 2*time.Second {
		t.Error("nothing was refused, or something stayed behind, or it healed late")
	}
}

// backTo waits until the program has no more goroutines and memory than that.
func (p *program) backTo(goroutines, memory float64, within time.Duration) bool {
	p.tb.Helper()
	for begun := time.Now(); time.Since(begun) < within; time.Sleep(50 * time.Millisecond) {
		if p.metric("go_goroutines") <= goroutines && p.metric("process_resident_memory_bytes") <= memory {
			return true
		}
	}
	p.tb.Logf("goroutines %v of %v, memory %v of %v", p.metric("go_goroutines"), goroutines, p.metric("process_resident_memory_bytes"), memory)
	return false
}
