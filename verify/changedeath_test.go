package verify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// settle waits for as long as a gateway on a Cluster may go by a change that was cut short:
// the doubt of keys, and what a busy machine takes. Elsewhere there is nothing to wait for.
func settle(c redis.UniversalClient) {
	if _, ok := c.(*redis.ClusterClient); ok {
		time.Sleep(1200 * time.Millisecond)
	}
}

// changing is a workspace whose definitions are changed: a key in two shards at least that
// may read by a role.
type changing struct {
	*world
	secrets []keys.Secret
}

func newChanging(t *testing.T, c redis.UniversalClient, name string) *changing {
	t.Helper()
	w := &world{t: t, gateway: newGateway(c), redis: c}
	ws, err := w.Workspace(t.Context(), name)
	w.must(err)
	w.access = keys.Operator(ws).As()
	api, err := w.CreateAPI(t.Context(), w.access, name)
	w.must(err)
	w.api = api.ID
	for _, role := range []string{"reader", "writer"} {
		_, err = w.CreateRole(t.Context(), w.access, keys.RoleDraft{Name: role, Permissions: keys.Named([]string{"read", "write"}, catalog.Create)})
		w.must(err)
	}
	all := &changing{world: w}
	for range 3 {
		all.secrets = append(all.secrets, w.create(keys.KeyDraft{Roles: keys.Named([]string{"reader"}, catalog.Refuse)}).Secret)
	}
	return all
}

// change takes from a role of the workspace, through a gateway, what its keys are asked for.
func (w *changing) change(g *store.Store, role string) error {
	_, err := g.SetRolePermissions(w.t.Context(), w.access, catalog.Called(role), keys.Named([]string{"write"}, catalog.Create))
	return err
}

// says is what a gateway says of the keys.
func (w *changing) says(g gateway) string {
	w.t.Helper()
	var all []string
	for _, secret := range w.secrets {
		o, err := g.Verify(w.t.Context(), &verify.Request{Secret: secret, Permissions: verify.Permission("read"), Cost: verify.Free})
		w.must(err)
		all = append(all, string(o.Code))
	}
	return strings.Join(all, " ")
}

// Wherever a gateway dies while it changes a role, and although another verifies between
// any two of its steps, that one soon says of a key what one says that has just started:
// also where a third gateway changes another role between any two steps.
func TestDeathWhileChangingARole(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		redistest.FailOverNow(c)
		const none = -1
		var all []*changing
		var names []string
		for other := none; ; other++ {
			steps := 0
			for done := false; !done; steps++ {
				name := fmt.Sprintf("dead after %d steps, with another change before %d", steps, other)
				w := newChanging(t, c, strings.ReplaceAll(fmt.Sprint("w", steps, "-", other), " ", ""))
				w.says(w.gateway)
				all, names = append(all, w), append(names, name)
				done = w.dies(c, steps, other) == nil
			}
			if other > steps {
				break
			}
		}
		settle(c)
		for i, w := range all {
			if warm, cold := w.says(w.gateway), w.says(newGateway(c)); warm != cold {
				t.Errorf("%s: who looked says %s, who did not %s", names[i], warm, cold)
			}
		}
	})
}

// dies lets a gateway that changes a role make so many steps, and others look before each;
// another role is changed before one of them.
func (w *changing) dies(c redis.UniversalClient, steps, other int) error {
	client := redistest.Steps(w.t, c, func(step int) error {
		if step >= steps {
			return errDead
		}
		if step == other {
			w.must(w.change(newGateway(c).Store, "writer"))
		}
		w.says(w.gateway)
		return nil
	})
	return w.change(store.Open(client, store.Options{Timeout: 10 * time.Second}), "reader")
}

// Where a failover of the master loses a change that was prepared, made and propagated, those
// who obeyed it soon say what those say who never heard of it.
func TestChangeThatAFailoverLoses(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		redistest.FailOverNow(c)
		w := newChanging(t, c, "lost")
		w.says(w.gateway)
		before := w.dump()
		w.must(w.change(newGateway(c).Store, "reader"))
		w.says(w.gateway)
		for name, value := range before {
			w.must(c.Set(t.Context(), name, value, 0).Err())
		}
		cold := newGateway(c)
		first := *w
		first.secrets = w.secrets[:1]
		first.says(cold)
		settle(c)
		if warm, cold := w.says(w.gateway), w.says(cold); warm != cold || strings.Count(cold, "VALID") != 3 {
			t.Errorf("who obeyed says %s, who came later %s", warm, cold)
		}
	})
}

// dump returns the definitions and revisions of the workspace.
func (w *changing) dump() map[string]string {
	w.t.Helper()
	ctx, all := w.t.Context(), map[string]string{}
	scan := func(one redis.Cmdable) {
		names, _, err := one.Scan(ctx, 0, "tg:[dv]:{"+w.access.WorkspaceID+"}*", 100_000).Result()
		w.must(err)
		for _, name := range names {
			value, err := w.redis.Get(ctx, name).Result()
			w.must(err)
			all[name] = value
		}
	}
	if cluster, ok := w.redis.(*redis.ClusterClient); ok {
		one, err := cluster.MasterForKey(ctx, "{"+w.access.WorkspaceID+"}")
		w.must(err)
		scan(one)
	} else {
		scan(w.redis)
	}
	return all
}

// A change that was made and not spread, said again and acknowledged, is obeyed at once.
func TestDeathWhileChangingSaidAgain(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		redistest.FailOverNow(c)
		for steps := range 20 {
			w := newChanging(t, c, fmt.Sprint("again-", steps))
			if w.dies(c, steps, -1) == nil {
				return
			}
			w.must(w.change(newGateway(c).Store, "reader"))
			if warm, cold := w.says(w.gateway), w.says(newGateway(c)); warm != cold {
				t.Errorf("dead after %d steps, said again: who looked says %s, who did not %s", steps, warm, cold)
			}
		}
	})
}
