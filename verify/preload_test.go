package verify_test

import (
	"testing"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// Root keys that were read ahead take no call of their own, and a change of one is obeyed.
func TestPreload(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		var secrets []keys.Secret
		var ids []string
		for range 130 {
			id, secret := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
			ids, secrets = append(ids, id), append(secrets, secret)
		}
		fresh := keystest.NewGateway(c)
		w.Must(fresh.Preload(t.Context()))
		for i, secret := range secrets {
			if !fresh.Knows(secret) {
				t.Fatalf("root key %d was not read", i)
			}
		}
		w.Must(w.DeleteRootKey(t.Context(), w.Access.WorkspaceID, ids[7]))
		for i, want := range map[int]verify.Code{7: verify.NotFound, 8: verify.Valid} {
			o, err := fresh.Verify(t.Context(), &verify.Request{Secret: secrets[i], Root: true, Cost: 1})
			if err != nil || o.Code != want {
				t.Errorf("root key %d: %v, %v; want %s", i, o, err, want)
			}
		}
	})
}
