package verify_test

import (
	"errors"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

var errDead = errors.New("this gateway was killed")

// Wherever a gateway dies while it deletes a root key, one that knows the root key
// says of it what one says that has just started: at once, or soon where it looked
// while the other was at it.
func TestDeathWhileDeletingARootKey(t *testing.T) {
	for name, between := range map[string]bool{"nobody looks": false, "others look": true} {
		t.Run(name, func(t *testing.T) {
			redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) { deaths(t, c, between) })
		})
	}
}

func deaths(t *testing.T, c redis.UniversalClient, between bool) {
	redistest.FailOverNow(c)
	w := newWorld(t, c)
	secret := w.Create(keys.KeyDraft{}).Secret
	for steps := 0; ; steps++ {
		id, by := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
		ask := verify.Request{RootKey: by, Secret: secret, Cost: 1}
		w.code(verify.Valid, ask)
		client := redistest.Steps(t, c, func(step int) error {
			if step >= steps {
				return errDead
			}
			if between {
				_, _ = w.Verify(t.Context(), &ask)
			}
			return nil
		})
		err := store.Open(client, store.Options{Timeout: 10 * time.Second}).DeleteRootKey(t.Context(), w.Access.WorkspaceID, id)
		if between {
			w.Age(5 * time.Second)
		}
		_, warm := w.Verify(t.Context(), &ask)
		_, cold := keystest.NewGateway(c).Verify(t.Context(), &ask)
		if (warm == nil) != (cold == nil) {
			t.Errorf("dead after %d commands: who knew it says %v, who did not %v", steps, warm, cold)
		}
		if err == nil {
			if cold == nil {
				t.Error("a deleted root key is accepted")
			}
			return
		}
	}
}
