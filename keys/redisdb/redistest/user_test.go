package redistest

import (
	"reflect"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// With TOLLGATE_STORE=rights a test may ask everything, and whoever else calls the client what
// the user may, on a single server and on a Cluster, of which a server may be asked by itself.
func TestRightsAreThoseOfTheUser(t *testing.T) {
	t.Setenv(storeVariable, rights)
	cluster := Cluster(t, 3, 0)
	for name, c := range map[string]redis.UniversalClient{"redis": Start(t).Client(patient), "cluster": cluster.Client()} {
		if err := c.Set(ctx, "not:ours", "x", 0).Err(); err != nil {
			t.Errorf("%s: the test: %v", name, err)
		}
		if all := Names(t, c, "*"); len(all) != 1 {
			t.Errorf("%s: there is %v", name, all)
		}
		for key, want := range map[string]string{"not:ours": "NOPERM", "tg:ours": ""} {
			get := reflect.ValueOf(c.Get).Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(key)})[0].Interface().(*redis.StringCmd) // from no file of tests
			if err := get.Err(); want == "" && err != redis.Nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
				t.Errorf("%s: what is tested reads %s: %v", name, key, err)
			}
		}
	}
	if !strings.Contains(cluster.URL(), userName+":"+userPassword+"@") {
		t.Errorf("the URL is %s", cluster.URL())
	}
}
