package verify_test

import (
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"
)

// A verification that Redis refused by a code says that nothing was spent for certain, and
// nothing was; one whose reply is lost does not say so.
func TestRefusalSpentNothing(t *testing.T) {
	server := redistest.Start(t)
	link := redistest.Proxy(t, server.Addr())
	w := newWorld(t, server.Client())
	client, err := redisdb.Dial("redis://"+link.Addr(), redisdb.Options{NoDurableWrites: true})
	w.Must(err)
	defer client.Close()
	g := impatientGateway(client, 0)
	made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(10)})
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
	if left := *w.Check(verify.Request{Secret: made.Secret, Cost: verify.Free}).Remaining; left != 8 {
		t.Errorf("%d left, want 8: one VALID, one whose reply was lost", left)
	}
}

// limited keeps how requests for uses of identifiers ended.
type limited struct {
	verify.Observer
	errs []error
}

// Limited implements verify.Observer.
func (l *limited) Limited(err error) { l.errs = append(l.errs, err) }

// Sent implements verify.Observer.
func (l *limited) Sent(int, time.Duration, error) {}

// A check of limits that was not decided is observed, with whether it spent nothing for certain.
func TestRefusedLimitSpentNothing(t *testing.T) {
	server := redistest.Start(t)
	link := redistest.Proxy(t, server.Addr())
	w := newWorld(t, server.Client())
	client, err := redisdb.Dial("redis://"+link.Addr(), redisdb.Options{NoDurableWrites: true})
	w.Must(err)
	defer client.Close()
	seen := &limited{}
	v := verify.New(store.Open(client, store.Options{Timeout: 250 * time.Millisecond}), verify.Options{Timeout: 250 * time.Millisecond, Observer: seen})
	for _, step := range []struct {
		name      string
		before    func()
		undecided bool
		certain   bool
	}{
		{"decided", func() {}, false, false},
		{"full", func() { server.Do("CONFIG", "SET", "maxmemory", "1") }, true, true},
		{"a lost reply", func() { server.Do("CONFIG", "SET", "maxmemory", "0"); link.LoseReplies() }, true, false},
		{"nobody there", func() { link.Restore(); link.Refuse(); _ = client.Ping(t.Context()) }, true, true},
	} {
		step.before()
		_, _, err := v.Limit(t.Context(), w.Access, []verify.LimitCheck{{Namespace: "n", Identifier: "ada", Limit: 5, Duration: 60_000, Cost: 1}})
		if last := seen.errs[len(seen.errs)-1]; last != err {
			t.Errorf("%s: %v, observed %v", step.name, err, last)
		}
		if e := keys.AsError(err); (e != nil) != step.undecided || e != nil && (e.Kind != keys.KindUnavailable || e.NothingSpent != step.certain) {
			t.Errorf("%s: %+v", step.name, e)
		}
	}
	if len(seen.errs) != 4 {
		t.Errorf("%d of 4 were observed", len(seen.errs))
	}
}
