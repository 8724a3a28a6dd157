package faults

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

var errKilled = errors.New("this gateway was killed")

// killer is a hook that ends a gateway, as far as its store can tell, after so many
// commands: whatever it would have done then never happens. A pipeline may have been
// sent in part.
type killer struct {
	mu   sync.Mutex
	left int
	dead bool
}

// allow tells how many of n commands are still sent.
func (k *killer) allow(n int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n = min(n, k.left)
	k.left -= n
	return n
}

func (k *killer) kill() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead = true
	return errKilled
}

func (k *killer) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (k *killer) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if k.allow(1) == 1 {
			return next(ctx, cmd)
		}
		cmd.SetErr(k.kill())
		return errKilled
	}
}

func (k *killer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		n := k.allow(len(cmds))
		if n == len(cmds) {
			return next(ctx, cmds)
		}
		if n > 0 {
			_ = next(ctx, cmds[:n])
		}
		for _, cmd := range cmds {
			cmd.SetErr(k.kill())
		}
		return errKilled
	}
}

// dying is an operation that a gateway is killed in the middle of. Its first function
// prepares, through a gateway that lives on.
type dying struct {
	name    string
	prepare func(w *world) keys.NewKey
	do      func(ctx context.Context, w *world, g gateway, made keys.NewKey) error
}

func complete(w *world) keys.NewKey {
	return w.Create(keys.KeyDraft{Name: "before", ExternalID: "one", Remaining: keystest.Uses(10), Roles: keys.Named([]string{"r"}, catalog.CreateFreely)})
}

func nothing(*world) keys.NewKey { return keys.NewKey{} }

var deaths = []dying{
	{"create", nothing, func(ctx context.Context, w *world, g gateway, _ keys.NewKey) error {
		_, err := g.CreateKey(ctx, w.Access, keys.KeyDraft{APIID: w.APIID, ExternalID: "someone new", Remaining: keystest.Uses(5), Limits: limitsOf(ever("l", 5)),
			Roles: keys.Named([]string{"new role"}, catalog.CreateFreely), Permissions: keys.Named([]string{"new.permission"}, catalog.CreateFreely)})
		return err
	}},
	{"update", complete, func(ctx context.Context, w *world, g gateway, made keys.NewKey) error {
		return g.UpdateKey(ctx, w.Access, made.ID, keys.KeyPatch{Name: keys.To("after"), ExternalID: keys.To("another"), Remaining: keys.To(int64(7)),
			Permissions: keys.To(keys.Named([]string{"p"}, catalog.CreateFreely))})
	}},
	{"update credits", complete, func(ctx context.Context, w *world, g gateway, made keys.NewKey) error {
		_, _, err := g.UpdateCredits(ctx, w.Access, made.ID, store.IncrementCredits, keystest.Uses(3))
		return err
	}},
	{"delete", complete, func(ctx context.Context, w *world, g gateway, made keys.NewKey) error {
		return g.DeleteKey(ctx, w.Access, made.ID, false)
	}},
	{"delete for good", complete, func(ctx context.Context, w *world, g gateway, made keys.NewKey) error {
		return g.DeleteKey(ctx, w.Access, made.ID, true)
	}},
	{"reroll", complete, func(ctx context.Context, w *world, g gateway, made keys.NewKey) error {
		_, err := g.RerollKey(ctx, w.Access, made.ID, store.Reroll{})
		return err
	}},
	{"delete an API", func(w *world) keys.NewKey {
		api, err := w.CreateAPI(w.TB.Context(), w.Access, "doomed")
		w.Must(err)
		w.APIID = api.ID
		return complete(w)
	}, func(ctx context.Context, w *world, g gateway, _ keys.NewKey) error {
		return g.DeleteAPI(ctx, w.Access, w.APIID)
	}},
}

// A gateway that is killed between any two commands of an operation leaves nothing
// that verifies but cannot be listed, read and deleted.
func TestGatewayKilled(t *testing.T) {
	redis := redistest.Start(t)
	clusters := redistest.Cluster(t, 3, 0)
	for _, d := range deaths {
		dieAt(t, d, "one Redis", newWorld(t, redis.Client()), redis.URL(), 1)
		dieAt(t, d, "Cluster", newWorld(t, clusters.Client()), clusters.URL(), scale(67, 1))
	}
}

// dieAt kills gateways after 0, 1, … commands, until one lives to the end. On a Cluster
// a change that is prepared everywhere has hundreds.
func dieAt(t *testing.T, d dying, where string, w *world, url string, stride int) {
	t.Helper()
	orphans, steps := 0, 0
	for n := 0; ; n++ {
		if n > 30 {
			n += stride - 1
		}
		at := &world{w.In(w.APIID)} // its own: some are given another API
		made := d.prepare(at)
		client, err := redisdb.Dial(url, redisdb.Options{NoDurableWrites: true})
		w.Must(err)
		k := &killer{left: n}
		client.AddHook(k)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err = d.do(ctx, at, newGateway(client), made)
		cancel()
		_ = client.Close()
		if err != nil && !unavailable(err) {
			t.Errorf("%s, killed after %d: %v", d.name, n, err)
		}
		steps++
		orphans += at.audit(t, d.name, n, made)
		if !k.dead {
			break
		}
	}
	row(t, "gateway killed in "+d.name+", "+where, "%d places: %d orphans", steps, orphans)
}

// audit looks at every key that is stored, as another gateway sees it: it is in the
// lists that it belongs to, it can be read, and when it is deleted it is gone. It
// leaves the store without keys, and returns how many it could not get at.
func (w *world) audit(t *testing.T, name string, n int, made keys.NewKey) (orphans int) {
	t.Helper()
	orphan := func(what string, k *keys.Key) {
		orphans++
		t.Errorf("%s, killed after %d: key %s is stored but %s", name, n, k.ID, what)
	}
	for _, k := range w.issued(t) {
		if _, err := w.API(t.Context(), w.Access, k.APIID); err != nil {
			continue // it does not verify: the sweep below takes it away
		}
		if !w.listed(t, k, "") {
			orphan("not listed", k)
		}
		if external := w.externalID(t, k); external != "" && !w.listed(t, k, external) {
			orphan("not listed with its identity", k)
		}
		if _, err := w.Key(t.Context(), w.Access, k.ID, false); err != nil {
			orphan("cannot be read: "+err.Error(), k)
		}
	}
	for _, k := range w.issued(t) {
		if _, err := w.API(t.Context(), w.Access, k.APIID); err != nil {
			continue
		}
		err := w.DeleteKey(t.Context(), w.Access, k.ID, true)
		if err != nil && w.isStored(t, k.ID) { // with the last current secret the others went
			orphan("cannot be deleted: "+err.Error(), k)
		}
	}
	w.Must(w.Redis().Del(t.Context(), "tg:s:lease").Err()) // of the gateway of another test
	w.SweepUp()
	for _, k := range w.stored(t) {
		orphan("left", k)
	}
	if made.ID != "" {
		if code, err := w.spend(t.Context(), made.Secret); err != nil || code != verify.NotFound {
			orphans++
			t.Errorf("%s, killed after %d: the key that was deleted is %s %v", name, n, code, err)
		}
	}
	return orphans
}

// issued returns every secret of every key that is stored, as a key.
func (w *world) issued(t *testing.T) (all []*keys.Key) {
	for _, k := range w.stored(t) {
		all = append(all, k.BySecret()...)
	}
	return all
}

func (w *world) isStored(t *testing.T, id string) bool {
	return slices.ContainsFunc(w.issued(t), func(k *keys.Key) bool { return k.ID == id })
}

// stored reads every key record, whatever leads to it. A pointer to one is none: it verifies
// as long as that record names its secret.
func (w *world) stored(t *testing.T) (all []*keys.Key) {
	t.Helper()
	read := func(ctx context.Context, node redis.UniversalClient) error {
		for names := node.Scan(ctx, 0, "tg:k:*", 1000).Iterator(); names.Next(ctx); {
			text, err := node.Get(ctx, names.Val()).Result()
			if err != nil {
				return err
			}
			k, _, _, err := layout.DecodeKey(text)
			if err != nil {
				return err
			}
			if k.Target == nil {
				all = append(all, k)
			}
		}
		return nil
	}
	cluster, ok := w.Redis().(*redis.ClusterClient)
	if !ok {
		w.Must(read(t.Context(), w.Redis()))
		return all
	}
	var one sync.Mutex
	w.Must(cluster.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error {
		one.Lock()
		defer one.Unlock()
		return read(ctx, node)
	}))
	return all
}

// listed reports whether a key is in the list of its API, or of an identity in it.
func (w *world) listed(t *testing.T, k *keys.Key, externalID string) bool {
	t.Helper()
	page, err := w.Keys(t.Context(), w.Access, store.KeyQuery{APIID: k.APIID, ExternalID: externalID, Limit: store.MaxPage})
	w.Must(err)
	for _, d := range page.Keys {
		if d.Key.ID == k.ID {
			return true
		}
	}
	return false
}

// externalID is that of a key's identity.
func (w *world) externalID(t *testing.T, k *keys.Key) string {
	t.Helper()
	if k.IdentityID == "" {
		return ""
	}
	identity, err := w.Identity(t.Context(), w.Access, keys.IdentityRef{ID: k.IdentityID})
	if err != nil && strings.Contains(err.Error(), "not found") {
		t.Errorf("key %s has an identity that is not there", k.ID)
		return ""
	}
	w.Must(err)
	return identity.ExternalID
}
