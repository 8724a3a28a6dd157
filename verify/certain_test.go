package verify_test

import (
	"testing"

	"tollgate/bench/redistest"
	"tollgate/keys"
	"tollgate/verify"
)

// A verification that Redis refused by a code says that nothing was spent for certain, and
// nothing was; one whose reply is lost does not say so.
func TestRefusalSpentNothing(t *testing.T) {
	server := redistest.Start(t)
	link := redistest.Proxy(t, server.Addr())
	w := newWorld(t, server.Client())
	client, err := keys.Dial("redis://"+link.Addr(), 0)
	w.must(err)
	defer client.Close()
	g := impatientGateway(client, 0)
	made := w.create(keys.KeyDraft{Remaining: uses(10)})
	spend := func() *keys.Error {
		_, err := g.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: 1})
		return keys.AsError(err)
	}
	if err := spend(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		setting, bad, good string
		failure            keys.Failure
	}{{"maxmemory", "1", "0", keys.FailureFull}, {"min-replicas-to-write", "1", "0", keys.FailureReadOnly}} {
		server.Do("CONFIG", "SET", row.setting, row.bad)
		err := spend()
		if err == nil || err.Failure != row.failure || row.failure == keys.FailureFull && !err.NothingSpent {
			t.Errorf("%s: %+v", row.setting, err)
		}
		server.Do("CONFIG", "SET", row.setting, row.good)
	}
	link.LoseReplies()
	if err := spend(); err == nil || err.NothingSpent || err.Failure != keys.FailureSlow {
		t.Errorf("a lost reply: %+v", err)
	}
	link.Restore()
	link.Refuse()
	_ = spend() // the connections that were there
	if err := spend(); err == nil || !err.NothingSpent || err.Failure != keys.FailureGone {
		t.Errorf("nobody there: %+v", err)
	}
	if left := w.verify(verify.Request{Secret: made.Secret, Cost: 0}).Remaining; left != 8 {
		t.Errorf("%d left, want 8: one VALID, one whose reply was lost", left)
	}
}
