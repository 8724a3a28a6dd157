package verify

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func pushed(t *testing.T, q *queue, workspace string, n int) {
	t.Helper()
	for range n {
		if !q.push(&call{workspace: workspace, began: 1}, maxWaiting) {
			t.Fatalf("a call of %s is refused", workspace)
		}
	}
}

// taken counts the calls of each workspace in the next batch.
func taken(q *queue) map[string]int {
	n := map[string]int{}
	for _, c := range q.take(nil) {
		n[c.workspace]++
	}
	return n
}

// Each workspace that waits has its part of every batch, however many calls another has.
func TestQueueServesWorkspacesInTurns(t *testing.T) {
	var q queue
	pushed(t, &q, "loud", 1000)
	pushed(t, &q, "quiet", 1)
	pushed(t, &q, "busy", 20)
	if n := taken(&q); n["quiet"] != 1 || n["busy"] != 20 || n["loud"] != maxBatch-21 {
		t.Errorf("the batch has %v", n)
	}
	for i := range 200 { // more than a batch has places
		pushed(t, &q, fmt.Sprint("one of many ", i), 2)
	}
	served := map[string]bool{}
	for range 4 {
		for workspace := range taken(&q) {
			served[workspace] = true
		}
	}
	if len(served) != 201 {
		t.Errorf("%d of 201 workspaces had a turn in 4 batches", len(served))
	}
}

// The calls of one workspace keep their order, and each is taken once.
func TestQueueKeepsOrder(t *testing.T) {
	var q queue
	want := map[string][]*call{}
	for i := range 500 {
		c := &call{workspace: fmt.Sprint(i * i % 7), began: 1, windows: make([]window, i%30)}
		want[c.workspace] = append(want[c.workspace], c)
		q.push(c, maxWaiting)
	}
	got := map[string][]*call{}
	for q.n > 0 {
		batch := q.take(nil)
		windows := 0
		for _, c := range batch {
			windows += len(c.windows)
			got[c.workspace] = append(got[c.workspace], c)
		}
		if len(batch) == 0 || len(batch) > maxBatch || windows > maxWindows {
			t.Fatalf("a batch of %d calls with %d limits", len(batch), windows)
		}
	}
	for workspace := range want {
		if !slices.Equal(got[workspace], want[workspace]) {
			t.Errorf("the calls of %s are not those that came, in their order", workspace)
		}
	}
}

// A call with many limits is not passed over for ever by smaller ones of others.
func TestQueueServesLargeCalls(t *testing.T) {
	var q queue
	pushed(t, &q, "small", 1)
	for range 3 {
		q.push(&call{workspace: "large", began: 1, windows: make([]window, maxLimits)}, maxWaiting)
	}
	for round := 1; ; round++ {
		for range 100 {
			q.push(&call{workspace: "small", began: 1, windows: make([]window, 60)}, maxWaiting)
		}
		if q.take(nil); len(q.tenant("large").calls) == 0 {
			return
		}
		if round == 4 {
			t.Fatal("three large calls were not taken by 4 batches")
		}
	}
}

// A workspace that fills its places refuses its own calls alone.
func TestQueueRefusesTheLoud(t *testing.T) {
	var q queue
	pushed(t, &q, "loud", maxWaiting)
	if q.push(&call{workspace: "loud", began: 1}, maxWaiting) {
		t.Error("one workspace has more than all places")
	}
	if !q.push(&call{workspace: "loud"}, maxWaiting) {
		t.Error("what gives back is refused")
	}
	pushed(t, &q, "quiet", maxWaiting/2)
	if q.push(&call{workspace: "quiet", began: 1}, maxWaiting) || q.push(&call{workspace: "loud", began: 1}, maxWaiting) {
		t.Error("one of two workspaces has more than a half")
	}
}

// A lone workspace waits at no cost: once there is room for its calls none is made again.
func TestQueueOfOneAllocatesNothing(t *testing.T) {
	var q queue
	calls, batch := make([]call, maxBatch), make([]*call, 0, maxBatch)
	for i := range calls {
		calls[i].workspace, calls[i].began = "alone", 1
	}
	n := testing.AllocsPerRun(100, func() {
		for i := range calls {
			q.push(&calls[i], maxWaiting)
		}
		batch = q.take(batch[:0])
	})
	if n > 0 || len(batch) != maxBatch {
		t.Errorf("%v allocations for %d calls", n, len(batch))
	}
}

// When a call is refused without being sent, at so many ms.
func TestLateness(t *testing.T) {
	ms := func(n int64) int64 { return n * int64(time.Millisecond) }
	one := func(began, askedAt, heardAt, idleAt int64) *shedder {
		l := &shedder{timeout: 250 * time.Millisecond, sentAt: ms(askedAt), idleAt: ms(idleAt)}
		l.repliedAt.Store(ms(heardAt))
		return l
	}
	for _, c := range []struct {
		why                           string
		began, asked, heard, idle, at int64
		want                          bool
	}{
		{"it waits for a Redis that does not answer", 1000, 990, 980, 990, 1101, true},
		{"it has time yet", 1000, 990, 980, 990, 1099, false},
		{"Redis has just been asked, and waiting until then was this machine's doing", 1000, 1350, 1349, 1200, 1400, false},
		{"and has not answered since", 1000, 1350, 1349, 1200, 1451, true},
		{"Redis answers, and a burst is worked off", 1000, 1890, 1895, 990, 1900, false},
		{"Redis answers, and cannot keep up", 2000, 2190, 2195, 990, 2200, true},
		{"so those are served who have just come", 2110, 2190, 2195, 990, 2200, false},
		{"nobody waits for an answer to what gives back", 0, 990, 980, 990, 9000, false},
	} {
		l := one(c.began, c.asked, c.heard, c.idle)
		if got := l.late(&call{began: ms(c.began)}, ms(c.at)); got != c.want {
			t.Errorf("%s: late is %t", c.why, got)
		}
	}
}

// A queue that is empty because all were refused is overloaded yet.
func TestLatenessUnderOverload(t *testing.T) {
	l := &shedder{timeout: 250 * time.Millisecond}
	now := int64(10 * time.Second)
	l.refusedAt = now
	if l.noteIdle(now + 1); l.idleAt != 0 {
		t.Error("it is idle at once")
	}
	if l.noteIdle(now + l.queueTimeout() + 1); l.idleAt == 0 {
		t.Error("it is never idle again")
	}
}
