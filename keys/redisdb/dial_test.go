package redisdb

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Every form of a URL leads to the servers and with the credentials that it names; with
// rediss over TLS, in which each server is known by its own name. No client asks twice.
func TestDialReadsURLs(t *testing.T) {
	for _, row := range []struct {
		url, addrs, user, password string
		tls                        bool
		db                         int
	}{
		{url: "redis://127.0.0.1:7000/3", addrs: "127.0.0.1:7000", db: 3},
		{url: "rediss://u:p@example.com:7000?db=2", addrs: "example.com:7000", user: "u", password: "p", tls: true, db: 2},
		{url: "unix://u:p@/run/redis.sock?db=1", addrs: "/run/redis.sock", user: "u", password: "p", db: 1},
		{url: "redis+cluster://u:p%40@a:1,b:2", addrs: "a:1,b:2", user: "u", password: "p@"},
		{url: "rediss+cluster://:p@a:1,b:2,c:3", addrs: "a:1,b:2,c:3", password: "p", tls: true},
		{url: "redis+sentinel://u:p@a:1,b:2/main", addrs: "FailoverClient", user: "u", password: "p"},
		{url: "rediss+sentinel://a:1/main?sentinel_password=s", addrs: "FailoverClient", tls: true},
	} {
		client, err := Dial(row.url, Options{Timeout: time.Second, PoolSize: 7})
		if err != nil {
			t.Errorf("%s: %v", row.url, err)
			continue
		}
		got, retries, poolSize := row, 0, 0
		var name string
		switch c := client.(type) {
		case *redis.ClusterClient:
			o := c.Options()
			got.addrs, got.user, got.password, got.tls = strings.Join(o.Addrs, ","), o.Username, o.Password, o.TLSConfig != nil
			if retries, poolSize = o.MaxRedirects, o.PoolSize; got.tls {
				name = o.TLSConfig.ServerName
			}
		case *redis.Client:
			o := c.Options()
			got.addrs, got.user, got.password, got.tls, got.db = o.Addr, o.Username, o.Password, o.TLSConfig != nil, o.DB
			if poolSize = o.PoolSize; got.tls && row.addrs == "FailoverClient" {
				name = o.TLSConfig.ServerName
			}
		}
		if got != row || poolSize != 7 || name != "" || retries > 3 {
			t.Errorf("%s: %+v, pool %d, name %q", row.url, got, poolSize, name)
		}
		_ = client.Close()
	}
}

// A URL that can't be read, or has an option by which a promise would not hold, is refused
// without its password being repeated.
func TestDialRefusesURLs(t *testing.T) {
	for url, want := range map[string]string{
		"127.0.0.1:6379":                                       "begins with",
		"http://127.0.0.1:6379":                                "unknown kind",
		"unix+cluster://a:1":                                   "unknown kind",
		"redis+cluster://:hunter2@a,b:2":                       "host:port,host:port",
		"redis+sentinel://:hunter2@a:1,b:2":                    "/MASTER",
		"redis://:hunter2@a:1?max_retries=5":                   "max_retries",
		"redis://:hunter2@a:1?read_timeout=5s":                 "read_timeout",
		"redis+cluster://:hunter2@a:1?route_randomly=true":     "route_randomly",
		"redis+cluster://:hunter2@a:1?read_only=true":          "read_only",
		"redis+sentinel://:hunter2@a:1/m?replica_only=true":    "replica_only",
		"rediss+sentinel://:hunter2@a:1/m?min_retry_backoff=1": "min_retry_backoff",
		"redis://:hunter2@a:1/many":                            "can't be read",
		"redis://:hunter2@a b:1":                               "can't be read",
	} {
		client, err := Dial(url, Options{})
		if err == nil {
			_ = client.Close()
			t.Errorf("%s is taken", url)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if !slices.IsSorted(urlOptions) {
		t.Error("the options are not sorted")
	}
}

// In the same process only the store's own time limit ends a request.
func TestInProcessTheStoreSaysHowLongToWait(t *testing.T) {
	client := DialInProcess("127.0.0.1:1").(*redis.Client)
	t.Cleanup(func() { _ = client.Close() })
	if o := client.Options(); !o.ContextTimeoutEnabled || min(o.ReadTimeout, o.WriteTimeout, o.PoolTimeout) < time.Minute {
		t.Errorf("%+v", o)
	}
}
