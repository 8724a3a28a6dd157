package keys_test

import (
	"fmt"
	"testing"

	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

// A workspace has a bounded number of namespaces, although each is made by its first use;
// those that are there go on.
func TestNamespacesAreBounded(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := open(t, c, "w")
		set := func(namespace string) error {
			_, err := s.SetOverride(t.Context(), s.access, keys.NamespaceRef{Name: namespace, Create: true}, keys.Override{Identifier: "x", Limit: 1, Duration: 60_000})
			if err != nil && kind(err) != keys.KindNotFound {
				return err
			}
			_, err = s.Namespaces(t.Context(), s.access, []keys.NamespaceRef{{Name: namespace, Create: true}})
			return err
		}
		s.must(set("first"))
		lists := redistest.Names(t, c, "tg:l:{"+s.access.WorkspaceID+"}*namespace*")
		if len(lists) != 1 {
			t.Fatalf("lists: %v", lists)
		}
		var others []redis.Z
		for i := range keys.MaxNamespaces - 2 {
			others = append(others, redis.Z{Member: fmt.Sprint("rlns_", i)})
		}
		s.must(c.ZAdd(t.Context(), lists[0], others...).Err())
		s.must(set("last"))
		if err := set("one more"); kind(err) != keys.KindPrecondition {
			t.Errorf("one more: %v", err)
		}
		s.must(set("first"))
		s.must(set("last"))
	})
}
