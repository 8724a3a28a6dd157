package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

const (
	ws    = "ws_1"
	other = "ws_2"
)

var reader = keys.Operator(ws).As(keys.ReadAudit)

// world is a log.
type world struct {
	*audit.Log
	tb testing.TB
	c  redis.UniversalClient
}

func newWorld(tb testing.TB, c redis.UniversalClient, o audit.Options) *world {
	o.On = true
	return &world{audit.New(redisdb.NewDB(c, keystest.Timeout, "test"), o), tb, c}
}

// change makes one: what does it is told the context within the action.
func (w *world) change(ctx context.Context, name audit.Name, do func(context.Context) error) (err error) {
	ctx, end := w.Begin(ctx, keys.Operator(ws), name)
	defer end(&err)
	return do(ctx)
}

// intend is a change of a thing, which could be made.
func intend(id string) func(context.Context) error {
	return func(ctx context.Context) error {
		return audit.Intend(ctx, false, func() []audit.Changed {
			return []audit.Changed{{Type: "key", ID: id, Name: "name of " + id, After: map[string]string{"name": id}}}
		})
	}
}

func (w *world) must(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}

// entries reads all that a query wants, page by page.
func (w *world) entries(q audit.Query) (all []audit.Entry) {
	w.tb.Helper()
	for {
		page, err := w.Entries(w.tb.Context(), reader, q)
		w.must(err)
		all = append(all, page.Rows...)
		if page.Next == "" {
			return all
		}
		if q.After != "" {
			q.After = page.Next
		} else {
			q.Before = page.Next
		}
	}
}

func ids(all []audit.Entry) string {
	var text []string
	for _, e := range all {
		id := ""
		if len(e.Resources) > 0 {
			id = e.Resources[0].ID
		}
		text = append(text, id+" "+string(e.State))
	}
	return strings.Join(text, ", ")
}

// An entry is there, pending, before its change may be made, and has its result after it.
func TestEntryIsThereBeforeItsChange(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c, audit.Options{})
		ctx := audit.WithOrigin(t.Context(), &audit.Origin{RequestID: "req_1", Address: netip.MustParseAddr("192.0.2.1"), Actor: audit.Actor{Type: audit.Operator, Command: "api create", User: "ada"}})
		w.must(w.change(ctx, audit.CreateKey, func(ctx context.Context) error {
			w.must(intend("key_1")(ctx))
			if got := ids(w.entries(audit.Query{})); got != "key_1 pending" {
				t.Errorf("before the change: %s", got)
			}
			return nil
		}))
		all := w.entries(audit.Query{})
		if got := ids(all); got != "key_1 done" {
			t.Fatal(got)
		}
		all[0].ID, all[0].Time = "", 0
		raw, err := json.Marshal(all[0])
		w.must(err)
		if want := `{"state":"done","action":"key.create","actor":{"type":"operator","command":"api create","user":"ada"},"requestId":"req_1","address":"192.0.2.1",` +
			`"resources":[{"type":"key","id":"key_1","name":"name of key_1","after":{"name":"key_1"}}]}`; string(raw) != want {
			t.Errorf("got  %s\nwant %s", raw, want)
		}
	})
}

// How a change ends is what its entry says. One that changed nothing has none.
func TestResults(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c, audit.Options{Wait: true})
		lost := redisdb.Unavailable(errors.New("a lost reply"))
		refused := keys.Errorf(keys.KindConflict, "key", "it is there")
		for _, r := range []struct {
			name  string
			steps int
			err   error
			want  string
		}{
			{"done", 1, nil, "done done"},
			{"refused", 0, refused, " refused"},
			{"refused-late", 1, refused, "refused-late refused"},
			{"refused-on-the-way", 2, refused, "refused-on-the-way unknown"},
			{"lost", 1, lost, "lost unknown"},
			{"not-sent", 1, redisdb.Unavailable(redisdb.ErrNotSent), "not-sent refused"},
			{"nothing", 0, nil, ""},
			{"nothing-sent", 0, lost, ""},
		} {
			before := len(w.entries(audit.Query{}))
			_ = w.change(t.Context(), audit.UpdateKey, func(ctx context.Context) error {
				for i := range r.steps {
					w.must(intend(r.name)(ctx))
					if i > 0 {
						w.must(intend(r.name + " again")(ctx))
					}
				}
				return r.err
			})
			all := w.entries(audit.Query{})
			if got := ids(all[:len(all)-before]); got != r.want {
				t.Errorf("%s: %q, want %q", r.name, got, r.want)
			}
		}
	})
}

// A change of which nobody began an action is refused, unless it says that it is none.
func TestNoChangeWithoutAnAction(t *testing.T) {
	w := newWorld(t, redistest.Client(t, redistest.Mini(t).Addr()), audit.Options{})
	if err := intend("key_1")(t.Context()); keys.AsError(err).Kind != keys.KindInternal {
		t.Errorf("a forgotten action: %v", err)
	}
	w.must(intend("key_1")(audit.Exempt(t.Context())))
	off := audit.New(nil, audit.Options{})
	ctx, end := off.Begin(t.Context(), keys.Operator(ws), audit.CreateKey)
	err := intend("key_1")(ctx)
	end(&err)
	w.must(err)
	if got := ids(w.entries(audit.Query{})); got != "" {
		t.Error(got)
	}
}

// What a method of a store calls beneath it is part of what was asked for.
func TestNestedActionsAreOne(t *testing.T) {
	w := newWorld(t, redistest.Client(t, redistest.Mini(t).Addr()), audit.Options{Wait: true})
	w.must(w.change(t.Context(), audit.UpdateCredits, func(ctx context.Context) error {
		return w.change(ctx, audit.UpdateKey, intend("key_1"))
	}))
	if all := w.entries(audit.Query{}); ids(all) != "key_1 done" || all[0].Action != audit.UpdateCredits {
		t.Error(all)
	}
}

// Pages have every entry once, in the order of their times, from either end; and what a query
// asks for alone.
func TestPagesAndFilters(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		w := newWorld(t, c, audit.Options{Wait: true})
		const n = 130
		for i := range n {
			clock.SetClock(time.Unix(1_800_000_000+int64(i), 0))
			id := fmt.Sprintf("key_%03d", i)
			w.must(w.change(t.Context(), audit.CreateKey, intend(id)))
			_ = w.change(t.Context(), audit.DeleteAPI, func(ctx context.Context) error { return keys.Errorf(keys.KindNotFound, "api", "no %s", id) })
		}
		all := w.entries(audit.Query{Limit: 7})
		if len(all) != 2*n {
			t.Fatalf("%d entries", len(all))
		}
		for i, e := range all {
			if want := int64(1_800_000_000 + n - 1 - i/2); e.Time/1000 != want {
				t.Fatalf("entry %d is of %d, not of %d", i, e.Time, want)
			}
		}
		forward := w.entries(audit.Query{Limit: 7, After: "aud_0000000000000000"})
		for i, e := range forward {
			if e.ID != all[len(all)-1-i].ID {
				t.Fatalf("forward, entry %d is %s", i, e.ID)
			}
		}
		begin := int64(1_800_000_000_000)
		for name, q := range map[string]audit.Query{
			"key_002 done":               {Resource: "key_002"},
			"key_001 done, key_000 done": {Action: "key.", Until: begin + 2000},
			"key_129 done, key_128 done": {Action: audit.CreateKey, Since: begin + 1000*(n-2)},
			"key_005 done":               {Action: audit.CreateKey, Since: begin + 5000, Until: begin + 6000},
			" refused":                   {Action: "api.", Actor: "operator", Until: begin + 1000},
			"":                           {Actor: "key_nobody"},
		} {
			got := ids(w.entries(q))
			if got != name {
				t.Errorf("%+v: %q, want %q", q, got, name)
			}
		}
	})
}

// Workspaces never meet, and reading takes the right.
func TestEntriesAreOfOneWorkspace(t *testing.T) {
	w := newWorld(t, redistest.Client(t, redistest.Mini(t).Addr()), audit.Options{Wait: true})
	w.must(w.change(t.Context(), audit.CreateKey, intend("key_1")))
	page, err := w.Entries(t.Context(), keys.Operator(other).As(keys.ReadAudit), audit.Query{})
	if err != nil || len(page.Rows) > 0 {
		t.Errorf("another workspace reads %v, %v", page.Rows, err)
	}
	weak := &keys.Caller{WorkspaceID: ws, KeyID: "key_1", Grants: []string{"api.*.read_key"}}
	if _, err := w.Entries(t.Context(), weak.As(keys.ReadAudit), audit.Query{}); keystest.Kind(err) != keys.KindMissingPermission {
		t.Errorf("without the right: %v", err)
	}
}

// A log has no more than so many entries, none that is older than its retention once another
// comes, and refusals push out nothing but refusals, also those that come late.
func TestLogIsBounded(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		w := newWorld(t, c, audit.Options{Entries: 20, Retention: time.Hour, Wait: true})
		for i := range 30 {
			w.must(w.change(t.Context(), audit.CreateKey, intend(fmt.Sprintf("key_%02d", i))))
		}
		refused := keys.Errorf(keys.KindConflict, "key", "it is there")
		for range 30 {
			_ = w.change(t.Context(), audit.CreateKey, func(context.Context) error { return refused })
			_ = w.change(t.Context(), audit.CreateKey, func(ctx context.Context) error { w.must(intend("late")(ctx)); return refused })
		}
		states := map[audit.State]int{}
		for _, e := range w.entries(audit.Query{}) {
			states[e.State]++
		}
		if states[audit.Done] < 19 || states[audit.Done] > 20 || states[audit.Refused] != 2 {
			t.Errorf("%v are left", states)
		}
		clock.Advance(2 * time.Hour)
		w.must(w.change(t.Context(), audit.CreateKey, intend("key_new")))
		if got := ids(w.entries(audit.Query{Action: "key."})); !strings.HasPrefix(got, "key_new done") || strings.Contains(got, "key_2") {
			t.Errorf("after two hours: %s", got)
		}
	})
}

// While Redis is full what takes something away has its entry, and the log does not grow; what
// adds something is refused.
func TestLogWhileRedisIsFull(t *testing.T) {
	server := redistest.Start(t)
	c := server.Client()
	w := newWorld(t, c, audit.Options{Wait: true})
	for i := range 20 {
		w.must(w.change(t.Context(), audit.CreateKey, intend(fmt.Sprintf("key_%02d", i))))
	}
	if !redistest.Configure(t, c, "maxmemory", "1") {
		t.Fatal("Redis can't be full")
	}
	before := w.size()
	if err := w.change(t.Context(), audit.CreateKey, intend("more")); keystest.Kind(err) != keys.KindUnavailable || keys.AsError(err).Failure != keys.FailureFull {
		t.Errorf("what adds something: %v", err)
	}
	for i := range 50 {
		w.must(w.change(t.Context(), audit.DeleteKey, func(ctx context.Context) error {
			return audit.Intend(ctx, true, func() []audit.Changed { return []audit.Changed{{Type: "key", ID: fmt.Sprintf("gone_%02d", i)}} })
		}))
	}
	all := w.entries(audit.Query{})
	if all[0].Resources[0].ID != "gone_49" || all[0].State != audit.Done {
		t.Errorf("the last is %+v", all[0])
	}
	if after := w.size(); after > before+audit.MaxSize {
		t.Errorf("%d bytes became %d", before, after)
	}
}

// size is how many bytes the log has.
func (w *world) size() (n int) {
	for _, e := range w.c.ZRange(w.tb.Context(), "tg:a:{"+ws+"}", 0, -1).Val() {
		n += len(e)
	}
	return n
}

// An entry that would be too large is cut, and says so; the ids that fit are there.
func TestLargeEntriesAreCut(t *testing.T) {
	w := newWorld(t, redistest.Client(t, redistest.Mini(t).Addr()), audit.Options{Wait: true})
	for name, all := range map[string][]audit.Changed{
		"one that is large": {{Type: "key", ID: "key_1", After: map[string]string{"meta": strings.Repeat("x", 60_000)}}},
		"many":              many(500, ""),
		"many large":        many(500, strings.Repeat("\u2028", 200)),
	} {
		w.must(w.change(t.Context(), audit.ImportKeys, func(ctx context.Context) error {
			audit.Count(ctx, "keys", int64(len(all)))
			return audit.Intend(ctx, false, func() []audit.Changed { return all })
		}))
		e := w.entries(audit.Query{Limit: 1})[0]
		stored := w.c.ZRange(t.Context(), "tg:a:{"+ws+"}", -1, -1).Val()[0]
		if !e.Cut || len(stored) > audit.MaxSize+100 || len(e.Resources) == 0 || e.Resources[0].ID != all[0].ID || e.Counts["keys"] != int64(len(all)) {
			t.Errorf("%s: %d bytes, %d resources, cut %t, %v", name, len(stored), len(e.Resources), e.Cut, e.Counts)
		}
	}
}

func many(n int, name string) (all []audit.Changed) {
	for i := range n {
		all = append(all, audit.Changed{Type: "key", ID: fmt.Sprintf("key_%03d", i), Name: name, After: map[string]string{"name": name}})
	}
	return all
}

// Results wait for a Redis that is away, and are written when it is back.
func TestResultsWaitForRedis(t *testing.T) {
	server := redistest.Start(t, redistest.WithAOF("everysec"))
	c := server.Client()
	var told sync.Map
	w := &world{audit.New(redisdb.NewDB(c, time.Second, "test"), audit.Options{On: true, Told: func(_ string, e audit.Entry) { told.Store(e.Resources[0].ID, e.State) }}), t, c}
	w.must(w.change(t.Context(), audit.CreateKey, func(ctx context.Context) error {
		err := intend("key_1")(ctx)
		server.Kill()
		return err
	}))
	time.Sleep(300 * time.Millisecond) // some attempts fail
	server.Restart()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	w.must(w.Flush(ctx))
	if got := ids(w.entries(audit.Query{})); got != "key_1 done" {
		t.Error(got)
	}
	if state, _ := told.Load("key_1"); state != audit.Done {
		t.Errorf("told %v", state)
	}
	if n := w.Lost(); n != 0 {
		t.Errorf("%d results are lost", n)
	}
}
