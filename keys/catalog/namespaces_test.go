package catalog_test

import (
	"fmt"
	"testing"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

// A workspace has a bounded number of namespaces, although each is made by its first use;
// those that are there go on.
func TestNamespacesAreBounded(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		set := func(namespace string) error {
			_, err := s.SetOverride(t.Context(), s.Access, keys.NamespaceRef{Name: namespace, Create: true}, keys.Override{Identifier: "x", Limit: 1, Duration: 60_000})
			if err != nil && keystest.Kind(err) != keys.KindNotFound {
				return err
			}
			_, err = s.Namespaces(t.Context(), s.Access, []keys.NamespaceRef{{Name: namespace, Create: true}})
			return err
		}
		s.Must(set("first"))
		lists := redistest.Names(t, c, "tg:l:{"+s.Access.WorkspaceID+"}*namespace*")
		if len(lists) != 1 {
			t.Fatalf("lists: %v", lists)
		}
		var others []redis.Z
		for i := range keys.MaxNamespaces - 2 {
			others = append(others, redis.Z{Member: fmt.Sprint("rlns_", i)})
		}
		s.Must(c.ZAdd(t.Context(), lists[0], others...).Err())
		s.Must(set("last"))
		if err := set("one more"); keystest.Kind(err) != keys.KindPrecondition {
			t.Errorf("one more: %v", err)
		}
		s.Must(set("first"))
		s.Must(set("last"))
	})
}
