package verify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
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
	w := &world{keystest.New(t, c, name)}
	for _, role := range []string{"reader", "writer"} {
		_, err := w.CreateRole(t.Context(), w.Access, keys.RoleDraft{Name: role, Permissions: keys.Named([]string{"read", "write"}, catalog.Create)})
		w.Must(err)
	}
	all := &changing{world: w}
	for range 3 {
		all.secrets = append(all.secrets, w.Create(keys.KeyDraft{Roles: keys.Named([]string{"reader"}, catalog.Refuse)}).Secret)
	}
	return all
}

// change takes from a role of the workspace, through a gateway, what its keys are asked for.
func (w *changing) change(g *store.Store, role string) error {
	_, err := g.SetRolePermissions(w.TB.Context(), w.Access, catalog.Called(role), keys.Named([]string{"write"}, catalog.Create))
	return err
}

// says is what a gateway says of the keys.
func (w *changing) says(g keystest.Gateway) string {
	w.TB.Helper()
	var all []string
	for _, secret := range w.secrets {
		o, err := g.Verify(w.TB.Context(), &verify.Request{Secret: secret, Permissions: verify.Permission("read"), Cost: verify.Free})
		w.Must(err)
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
				w.says(w.Gateway)
				all, names = append(all, w), append(names, name)
				done = w.dies(c, steps, other) == nil
			}
			if other > steps {
				break
			}
		}
		settle(c)
		for i, w := range all {
			if warm, cold := w.says(w.Gateway), w.says(keystest.NewGateway(c)); warm != cold {
				t.Errorf("%s: who looked says %s, who did not %s", names[i], warm, cold)
			}
		}
	})
}

// dies lets a gateway that changes a role make so many steps, and others look before each;
// another role is changed before one of them.
func (w *changing) dies(c redis.UniversalClient, steps, other int) error {
	client := redistest.Steps(w.TB, c, func(step int) error {
		if step >= steps {
			return errDead
		}
		if step == other {
			w.Must(w.change(keystest.NewGateway(c).Store, "writer"))
		}
		w.says(w.Gateway)
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
		w.says(w.Gateway)
		before := w.dump()
		w.Must(w.change(keystest.NewGateway(c).Store, "reader"))
		w.says(w.Gateway)
		for name, value := range before {
			w.Must(c.Set(t.Context(), name, value, 0).Err())
		}
		cold := keystest.NewGateway(c)
		first := *w
		first.secrets = w.secrets[:1]
		first.says(cold)
		settle(c)
		if warm, cold := w.says(w.Gateway), w.says(cold); warm != cold || strings.Count(cold, "VALID") != 3 {
			t.Errorf("who obeyed says %s, who came later %s", warm, cold)
		}
	})
}

// dump returns the definitions and revisions of the workspace.
func (w *changing) dump() map[string]string {
	w.TB.Helper()
	ctx, all := w.TB.Context(), map[string]string{}
	scan := func(one redis.Cmdable) {
		names, _, err := one.Scan(ctx, 0, "tg:[dv]:{"+w.Access.WorkspaceID+"}*", 100_000).Result()
		w.Must(err)
		for _, name := range names {
			value, err := w.Redis().Get(ctx, name).Result()
			w.Must(err)
			all[name] = value
		}
	}
	if cluster, ok := w.Redis().(*redis.ClusterClient); ok {
		one, err := cluster.MasterForKey(ctx, "{"+w.Access.WorkspaceID+"}")
		w.Must(err)
		scan(one)
	} else {
		scan(w.Redis())
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
			w.Must(w.change(keystest.NewGateway(c).Store, "reader"))
			if warm, cold := w.says(w.Gateway), w.says(keystest.NewGateway(c)); warm != cold {
				t.Errorf("dead after %d steps, said again: who looked says %s, who did not %s", steps, warm, cold)
			}
		}
	})
}
