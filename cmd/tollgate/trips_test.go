package main

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"tollgate/keys"

	"github.com/redis/go-redis/v9"
)

// tripCount counts what a client sends: commands, and pipelines as one each.
type tripCount struct{ n atomic.Int64 }

// DialHook implements redis.Hook.
func (c *tripCount) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (c *tripCount) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (c *tripCount) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmds)
	}
}

// names are the placeholders of visits that stand for what a workspace has.
var names = []string{"{apiId}", "{api}", "{key}", "{secret}", "{identity}", "{permission}", "{permission 2}", "{role}", "{role 2}", "{sealed}"}

// nobodys is an id or a secret of the same form that nothing has.
func nobodys(id string) string {
	return another(id, '1', '2')
}

func another(id string, digit, otherwise byte) string {
	at := len(id) - 5 // any id has any digit there
	if id[at] == digit {
		digit = otherwise
	}
	return id[:at] + string(digit) + id[at+1:]
}

// furnish gives a workspace of its own what visits name.
func (w *town) furnish(ws string) *strings.Replacer {
	w.t.Helper()
	ctx, a := w.t.Context(), keys.Operator(ws).As()
	api := must(w.store.CreateAPI(ctx, a, "town"))
	permission := must(w.store.CreatePermission(ctx, a, keys.PermissionDraft{Name: "docs.read"}))
	role := must(w.store.CreateRole(ctx, a, keys.RoleDraft{Name: "reader"}))
	identity := must(w.store.CreateIdentity(ctx, a, keys.IdentityDraft{ExternalID: "somebody"}))
	uses := int64(100)
	key := must(w.store.CreateKey(ctx, a, keys.KeyDraft{APIID: api.ID, Remaining: &uses, Recoverable: true}))
	must(w.store.CreateMigration(ctx, ws, "migration", keys.SHA256))
	return strings.NewReplacer("{api}", api.ID, "{apiId}", api.ID, "{key}", key.ID, "{secret}", key.Secret.Reveal(), "{identity}", identity.ID,
		"{permission}", permission.ID, "{role}", role.ID, "{permission 2}", permission.ID, "{role 2}", role.ID, "{sealed}", key.ID, "{space}", "space")
}

// Whoever names what another workspace has is answered with the same bytes after as many
// exchanges with Redis as who names what nobody has, by every endpoint of Unkey's that is
// told an id or a secret, in each place of a request, whatever of the rest is their own.
func TestForeignTakesAsManyTripsAsAbsent(t *testing.T) {
	w := newTown(t)
	foreign := w.has
	w.has = w.furnish(must(w.store.Workspace(t.Context(), "other")))
	trips, compared := &tripCount{}, 0
	w.redis.AddHook(trips)
	for _, r := range unkeyRoutes() {
		v := visits[r.Method+" "+r.Path]
		for _, name := range names {
			if !strings.Contains(r.Path+v.with, name) {
				continue
			}
			compared++
			value := foreign.Replace(name)
			w.about(r, v, name, another(value, '3', '4'), w.stranger) // Redis has the scripts then
			for _, round := range []string{"the first time", "again"} {
				before := trips.n.Load()
				theirs := w.about(r, v, name, value, w.stranger)
				between := trips.n.Load()
				nobody := w.about(r, v, name, nobodys(value), w.stranger)
				after := trips.n.Load()
				if theirs != nobody {
					t.Errorf("%s %s, %s of another workspace: %s\nof nobody: %s", r.Method, r.Path, name, theirs, nobody)
				}
				if between-before != after-between {
					t.Errorf("%s %s, %s %s: %d trips for another workspace's, %d for nobody's", r.Method, r.Path, name, round, between-before, after-between)
				}
			}
		}
	}
	if compared < 60 {
		t.Errorf("only %d places were compared", compared)
	}
}

// The same for NetBird's setup keys and groups.
func TestForeignSetupKeysTakeAsManyTripsAsAbsent(t *testing.T) {
	w := newTown(t)
	a := keys.Operator(w.ws).As()
	group := must(w.store.CreateGroup(t.Context(), a, "theirs"))
	setup, _, err := w.store.CreateSetupKey(t.Context(), a, keys.SetupKeyDraft{Name: "n", Type: keys.SetupReusable, Groups: []string{group.ID}})
	if err != nil {
		t.Fatal(err)
	}
	stranger := keys.Operator(must(w.store.Workspace(t.Context(), "other"))).As()
	trips := &tripCount{}
	w.redis.AddHook(trips)
	calls := map[string]func(setup, group string) error{
		"SetupKey":       func(setup, _ string) error { _, err := w.store.SetupKey(t.Context(), stranger, setup); return err },
		"DeleteSetupKey": func(setup, _ string) error { return w.store.DeleteSetupKey(t.Context(), stranger, setup) },
		"Group":          func(_, group string) error { _, err := w.store.Group(t.Context(), stranger, group); return err },
		"DeleteGroup":    func(_, group string) error { return w.store.DeleteGroup(t.Context(), stranger, group) },
		"CreateSetupKey": func(_, group string) error {
			_, _, err := w.store.CreateSetupKey(t.Context(), stranger, keys.SetupKeyDraft{Name: "n", Type: keys.SetupReusable, Groups: []string{group}})
			return err
		},
	}
	for name, call := range calls {
		_ = call(another(setup.ID, '3', '4'), another(group.ID, '3', '4')) // Redis has the scripts then
		before := trips.n.Load()
		theirs := call(setup.ID, group.ID)
		between := trips.n.Load()
		nobody := call(nobodys(setup.ID), nobodys(group.ID))
		after := trips.n.Load()
		if theirs == nil || nobody == nil || keys.AsError(theirs).Kind != keys.AsError(nobody).Kind || between-before != after-between {
			t.Errorf("%s: %v after %d trips for another workspace's, %v after %d for nobody's", name, theirs, between-before, nobody, after-between)
		}
	}
}
