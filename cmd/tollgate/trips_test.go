package main

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/netbird"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/setupkeys"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// tripCount counts what a client sends: commands, and pipelines as one each; and how much it
// is answered.
type tripCount struct{ n, read atomic.Int64 }

// tally is what was counted so far: how many trips, and how many bytes as they are printed.
type tally struct{ trips, read int64 }

func (c *tripCount) tally() tally { return tally{c.n.Load(), c.read.Load()} }

func (t tally) since(before tally) tally { return tally{t.trips - before.trips, t.read - before.read} }

// size is how long a command's reply is when it is printed; the time has not always as many
// digits.
func size(cmd redis.Cmder) int64 {
	if cmd.Name() == "time" {
		return 0
	}
	return int64(len(fmt.Sprint(reflect.ValueOf(cmd).MethodByName("Val").Call(nil)[0])))
}

// count adds commands that went together. A script that a node did not have did not run,
// and is sent again: on a Cluster it is chance which nodes have had it.
func (c *tripCount) count(cmds ...redis.Cmder) {
	trips := int64(1)
	for _, cmd := range cmds {
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			trips = 0
		} else {
			c.read.Add(size(cmd))
		}
	}
	c.n.Add(trips)
}

// DialHook implements redis.Hook.
func (c *tripCount) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (c *tripCount) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		c.count(cmd)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (c *tripCount) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		c.count(cmds...)
		return err
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

// furnish makes in a workspace of its own what visits name.
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

// What differs at most is that the id of another workspace's key leads somewhere.
const (
	indexEntry = 24 // bytes
	verifyV2   = "/v2/keys.verifyKey"
)

// compare asks about what another workspace has and about what nobody has, in one place of a
// request. The answers are the same bytes, after as many exchanges with Redis, in which it
// answers as much, but for an entry of the index.
func (w *town) compare(c *tripCount, r web.Route, v visit, name, theirs string) {
	w.t.Helper()
	w.about(r, v, name, another(theirs, '3', '4'), w.stranger) // what is the stranger's own is read then
	for _, round := range []string{"the first time", "again"} {
		before := c.tally()
		theirAnswer := w.about(r, v, name, theirs, w.stranger)
		between := c.tally()
		nobodysAnswer := w.about(r, v, name, nobodys(theirs), w.stranger)
		after := c.tally()
		if theirAnswer != nobodysAnswer {
			w.t.Errorf("%s %s, %s of another workspace: %s\nof nobody: %s", r.Method, r.Path, name, theirAnswer, nobodysAnswer)
		}
		one, other := between.since(before), after.since(between)
		if r.Path == verifyV2 { // of a secret it reads the record, whosever it is, once
			one.read, other.read = 0, 0
		}
		if one.trips != other.trips || one.read < other.read || one.read > other.read+indexEntry {
			w.t.Errorf("%s %s, %s %s: %+v for another workspace's, %+v for nobody's", r.Method, r.Path, name, round, one, other)
		}
	}
}

// Whoever names what another workspace has is answered with the same bytes after as many
// exchanges with Redis as who names what nobody has, by every endpoint of Unkey's that is
// told an id or a secret, in each place of a request, whatever of the rest is their own.
func TestForeignTakesAsManyTripsAsAbsent(t *testing.T) {
	w := newTown(t, keepsRefusals)
	foreign := w.has
	w.has = w.furnish(must(w.store.Workspace(t.Context(), "other")))
	trips, compared := &tripCount{}, 0
	w.redis.AddHook(trips)
	for _, r := range unkeyRoutes() {
		v := visits[r.Method+" "+r.Path]
		for _, name := range names {
			if strings.Contains(r.Path+v.with, name) {
				compared++
				w.compare(trips, r, v, name, foreign.Replace(name))
			}
		}
	}
	if compared < 60 {
		t.Errorf("only %d places were compared", compared)
	}
}

// netbirdVisits are requests of NetBird's that name a setup key, a group or a secret.
var netbirdVisits = map[string]string{
	"POST /api/setup-keys":                    `{"name":"n","type":"reusable","auto_groups":["{groupId}"]}`,
	"POST /api/setup-keys/redeem":             `{"key":"{secret}","peer":"peer"}`,
	"GET /api/setup-keys/{keyId}":             "",
	"PUT /api/setup-keys/{keyId}":             `{"auto_groups":["{groupId}"],"revoked":true}`,
	"DELETE /api/setup-keys/{keyId}":          "",
	"GET /api/setup-keys/{keyId}/redemptions": "",
	"GET /api/groups/{groupId}":               "",
	"PUT /api/groups/{groupId}":               `{"name":"another"}`,
	"DELETE /api/groups/{groupId}":            "",
}

// furnishNetBird returns a workspace a setup key in a group.
func (w *town) furnishNetBird(ws string) *strings.Replacer {
	w.t.Helper()
	ctx, a := w.t.Context(), keys.Operator(ws).As()
	group := must(setupkeys.New(w.store).CreateGroup(ctx, a, "theirs"))
	setup, secret, err := setupkeys.New(w.store).CreateSetupKey(ctx, a, setupkeys.SetupKeyDraft{Name: "n", Type: setupkeys.SetupReusable, Groups: []string{group.ID}})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.NewReplacer("{keyId}", setup.ID, "{groupId}", group.ID, "{secret}", secret.Reveal())
}

// The same for every endpoint of NetBird's.
func TestForeignSetupKeysTakeAsManyTripsAsAbsent(t *testing.T) {
	w := newTown(t, keepsRefusals)
	api := netbird.New(setupkeys.New(w.store), verify.New(w.store, verify.Options{Timeout: 10 * time.Second}), netbird.Options{})
	router := web.NewRouter(api.Dialect())
	router.Add(api.Dialect(), api.Routes()...)
	w.url = golden.Listen(t, router)
	foreign := w.furnishNetBird(w.ws)
	w.has = w.furnishNetBird(must(w.store.Workspace(t.Context(), "other")))
	trips, compared := &tripCount{}, 0
	w.redis.AddHook(trips)
	for _, r := range router.Routes() {
		with, named := netbirdVisits[r.Method+" "+r.Path]
		if !named && strings.Contains(r.Path, "{") {
			t.Errorf("%s %s has no visit here", r.Method, r.Path)
		}
		for _, name := range []string{"{keyId}", "{groupId}", "{secret}"} {
			if strings.Contains(r.Path+with, name) {
				compared++
				w.compare(trips, r, visit{with: with}, name, foreign.Replace(name))
			}
		}
	}
	if compared != 10 {
		t.Errorf("%d places were compared", compared)
	}
}
