package verify_test

import (
	"testing"

	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// A root key that was deleted is refused by its next question on every gateway, one
// about a key that does not exist too.
func TestDeletedRootKeyLearnsNothing(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		id, by := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
		absent := verify.Request{RootKey: by, Secret: keys.NewSecret("nobody_ever_made_this"), Cost: 1}
		w.code(verify.NotFound, absent)
		w.Must(store.Open(c, store.Options{}).DeleteRootKey(t.Context(), w.Access.WorkspaceID, id))
		w.refusedAs(keys.KindUnauthenticated, absent)
	})
}
