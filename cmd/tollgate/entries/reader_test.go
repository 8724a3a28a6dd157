package entries

import (
	"fmt"
	"testing"

	"tollgate/keys/audit"
)

// A follower waits for the result of an entry, and no longer than it may come.
func TestFollowWaitsForResults(t *testing.T) {
	entry := func(second int64, state audit.State) audit.Entry {
		return audit.Entry{ID: fmt.Sprintf("aud_%016dabcdef", second*1e6), Time: second * 1000, State: state}
	}
	all := []audit.Entry{entry(100, audit.Pending), entry(200, audit.Done), entry(205, audit.Pending), entry(206, audit.Done)}
	some, q := settled(audit.Query{}, all, 210_000)
	if len(some) != 2 || q.After != all[1].ID {
		t.Errorf("%d entries, then behind %s", len(some), q.After)
	}
	some, q = settled(q, all[2:], 216_000)
	if len(some) != 2 || q.After != all[3].ID {
		t.Errorf("%d entries, then behind %s", len(some), q.After)
	}
}
