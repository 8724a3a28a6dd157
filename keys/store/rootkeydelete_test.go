package store_test

import (
	"sync"
	"testing"

	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

// Of those who delete a root key at the same time each learns that it is gone: it did so
// itself, or finds none. No other answer is right.
func TestRootKeyIsDeletedOnceByManyAtOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		for range 20 {
			id, _, err := s.CreateRootKey(t.Context(), s.Access.WorkspaceID, keys.RootDraft{Grants: []string{keys.Everything}})
			s.Must(err)
			var group sync.WaitGroup
			results := make([]error, 8)
			for i := range results {
				group.Go(func() { results[i] = s.DeleteRootKey(t.Context(), s.Access.WorkspaceID, id) })
			}
			group.Wait()
			deleted := 0
			for _, err := range results {
				if err == nil {
					deleted++
				} else if keys.AsError(err).Kind != keys.KindNotFound {
					t.Errorf("%v: %v", keys.AsError(err).Kind, err)
				}
			}
			if deleted != 1 {
				t.Errorf("%d deleted it", deleted)
			}
		}
	})
}
