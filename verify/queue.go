package verify

import (
	"slices"
)

// queue holds the calls that wait for a batch: of each workspace in the order in which
// they came, the workspaces in turns. So the calls of one never push out those of
// another: in each batch every workspace that waits has a call before any has a second.
//
// Most of the time there is one workspace, or nobody waits: then nothing is looked up.
type queue struct {
	tenants []*tenant // those that wait, and one that does not where it was the last
	byID    map[string]*tenant
	turn    int // whose turn it is
	n       int // how many calls wait
}

// tenant is the waiting calls of one workspace.
type tenant struct {
	id    string
	calls []*call
	taken int // how many of them, while a batch is made up
}

// tenant returns the tenant with an id, and makes it.
func (q *queue) tenant(id string) *tenant {
	switch {
	case len(q.tenants) == 0:
		q.tenants = append(q.tenants, &tenant{id: id})
		return q.tenants[0]
	case q.tenants[0].id == id:
		return q.tenants[0]
	case q.n == 0: // then there is no other
		q.tenants[0].id = id
		return q.tenants[0]
	}
	if len(q.byID) == 0 {
		q.byID = map[string]*tenant{q.tenants[0].id: q.tenants[0]}
	}
	t, ok := q.byID[id]
	if !ok {
		t = &tenant{id: id}
		q.byID[id], q.tenants = t, append(q.tenants, t)
	}
	return t
}

// push adds a call, unless its workspace has its part of most waiting already: all where
// no other waits, a half beside another. It reports whether it did. What gives back is
// always added.
func (q *queue) push(c *call, most int) bool {
	t := q.tenant(c.workspace)
	if len(t.calls) >= most/len(q.tenants) && c.began != 0 {
		q.trim()
		return false
	}
	t.calls = append(t.calls, c)
	q.n++
	return true
}

// rejectLate takes out the calls that are late at the head of their workspace's, and gives
// each to tell.
func (q *queue) rejectLate(late func(*call) bool, tell func(*call)) {
	for _, t := range q.tenants {
		n := 0
		for n < len(t.calls) && late(t.calls[n]) {
			tell(t.calls[n])
			n++
		}
		t.calls, q.n = slices.Delete(t.calls, 0, n), q.n-n
	}
	q.trim()
}

// take moves up to a batch of calls to the end of taken. Who is passed over because the
// batch has no room for so many limits is the first of the next one.
func (q *queue) take(taken []*call) []*call {
	if len(q.tenants) == 1 {
		return q.takeFrom(q.tenants[0], taken)
	}
	begin, windows, passed := len(taken), 0, -1
	for idle := 0; idle < len(q.tenants) && len(taken)-begin < maxBatch; q.turn = (q.turn + 1) % len(q.tenants) {
		t := q.tenants[q.turn]
		idle++
		if t.taken == len(t.calls) {
			continue
		}
		c := t.calls[t.taken]
		if len(taken) > begin && windows+len(c.windows) > maxWindows {
			if passed < 0 {
				passed = q.turn
			}
			continue
		}
		taken, windows, idle = append(taken, c), windows+len(c.windows), 0
		t.taken++
	}
	if passed >= 0 {
		q.turn = passed
	}
	for _, t := range q.tenants {
		t.calls, q.n, t.taken = slices.Delete(t.calls, 0, t.taken), q.n-t.taken, 0
	}
	q.trim()
	return taken
}

// takeFrom is take where one workspace waits.
func (q *queue) takeFrom(t *tenant, taken []*call) []*call {
	n, windows := 0, 0
	for n < min(maxBatch, len(t.calls)) && (n == 0 || windows+len(t.calls[n].windows) <= maxWindows) {
		windows += len(t.calls[n].windows)
		n++
	}
	taken = append(taken, t.calls[:n]...)
	t.calls, q.n = slices.Delete(t.calls, 0, n), q.n-n
	return taken
}

// trim forgets the workspaces that do not wait, but for one.
func (q *queue) trim() {
	if len(q.tenants) < 2 {
		return
	}
	for i := len(q.tenants) - 1; i >= 0 && len(q.tenants) > 1; i-- {
		if t := q.tenants[i]; len(t.calls) == 0 {
			delete(q.byID, t.id)
			q.tenants = slices.Delete(q.tenants, i, i+1)
			if i < q.turn {
				q.turn--
			}
		}
	}
	if q.turn >= len(q.tenants) {
		q.turn = 0
	}
	if len(q.tenants) == 1 {
		clear(q.byID)
	}
}
