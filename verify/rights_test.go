package verify_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/usage"
	"tollgate/verify"
)

// Everything works for a user of Redis with the rights that docs/operations.md names and no other,
// and the start names a right that is missing.
func TestRightsOfTheUserOfRedis(t *testing.T) {
	line := redistest.UserLine(t)
	cluster, single := redistest.Cluster(t, 3, 0), redistest.Start(t, redistest.WithAOF("everysec"))
	for kind, row := range map[string]struct {
		url     string
		servers []*redistest.Server
	}{"redis": {single.URL(), []*redistest.Server{single}}, "cluster": {cluster.URL(), cluster.Nodes}} {
		t.Run(kind, func(t *testing.T) {
			for _, s := range row.servers {
				s.Do(line...)
			}
			scheme, address, _ := strings.Cut(row.url, "://")
			address = address[strings.Index(address, "@")+1:]
			client, err := redisdb.Dial(scheme+"://tollgate:secret@"+address, redisdb.Options{Timeout: 5 * time.Second, NoDurableWrites: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			redisdb.DurableWrites(client, nil)
			w := newWorld(t, client)
			w.Must(w.Rights(t.Context()))
			everyOperation(t, w)
			for i := 4; i < len(line); i++ {
				command, ok := strings.CutPrefix(line[i].(string), "+")
				if !ok || slices.Contains([]string{"eval", "evalsha", "hello", "auth", "info", "multi", "exec", "select"}, command) || kind == "redis" && strings.Contains("asking cluster|slots", command) || strings.HasPrefix(command, "cluster|") {
					continue // without it nothing can be asked, or not in a script
				}
				for _, s := range row.servers {
					s.Do("ACL", "SETUSER", "tollgate", "-"+command)
				}
				if err := w.Rights(t.Context()); err == nil || keys.AsError(err).Failure != keys.FailureNotAllowed || !strings.Contains(err.Error(), "+"+command) {
					t.Errorf("without %s: %v", command, err)
				}
				for _, s := range row.servers {
					s.Do("ACL", "SETUSER", "tollgate", "+"+command)
				}
			}
		})
	}
}

// everyOperation goes through what a store is asked for.
func everyOperation(t *testing.T, w *world) {
	t.Helper()
	w.Must(w.Mark(t.Context()))
	w.Must(w.Ping(t.Context()))
	counter := usage.NewCounter(usage.NewReader(w.Store, 0))
	w.Verifier = verify.New(w.Store, verify.Options{Timeout: 10 * time.Second, Observer: verify.CountUsage(counter, nil)})
	made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(10)})
	w.code(verify.Valid, verify.Request{Secret: made.Secret, Cost: 1, Limits: []verify.LimitRequest{{Name: "own", Own: true, Limit: 5, Duration: 60_000, Cost: 1}}})
	w.Must(counter.Close(t.Context()))
	w.Must(w.UpdateKey(t.Context(), w.Access, made.ID, keys.KeyPatch{Name: keys.To("other"), Disabled: keys.To(true)}))
	_, _, err := w.UpdateCredits(t.Context(), w.Access, made.ID, store.SetCredits, keystest.Uses(3))
	w.Must(err)
	_, err = w.Keys(t.Context(), w.Access, store.KeyQuery{APIID: w.APIID, Limit: 10})
	w.Must(err)
	_, secret, err := w.CreateRootKey(t.Context(), w.Access.WorkspaceID, keys.RootDraft{Grants: []string{keys.Everything}})
	w.Must(err)
	_, err = w.Authenticate(t.Context(), secret, netip.Addr{})
	w.Must(err)
	_, _, err = w.Limit(t.Context(), w.Access, []verify.LimitCheck{{Namespace: "n", Identifier: "ada", Limit: 5, Duration: 60_000, Cost: 1}})
	w.Must(err)
	w.Must(w.DeleteKey(t.Context(), w.Access, made.ID, false))
	w.Must(w.DeleteKey(t.Context(), w.Access, made.ID, true))
	w.Must(w.DeleteAPI(t.Context(), w.Access, w.APIID))
}
