package redistest

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
)

// What TOLLGATE_STORE may say; Empty tells what it means.
const (
	storeVariable = "TOLLGATE_STORE"
	single        = ""
	cluster       = "cluster"
	sentinel      = "sentinel"
	rights        = "rights"
)

// Kind is the kind of store that the run is about, "" for the usual.
func Kind() string { return os.Getenv(storeVariable) }

// kind is Kind, if there is such a kind.
func kind(tb testing.TB) string {
	tb.Helper()
	k := Kind()
	if k != single && k != cluster && k != sentinel && k != rights {
		tb.Fatalf("%s is %q: want %s, %s, %s or nothing", storeVariable, k, cluster, sentinel, rights)
	}
	return k
}

// Empty returns a client of an empty store, by default of Shared.
//
// TOLLGATE_STORE says on what kind of store the whole suite runs. Without it a test
// runs on miniredis, on a real Redis and, where a Cluster can make a difference, on
// three masters. With it, it runs on this kind alone:
//
//	cluster   three masters and three replicas
//	sentinel  a master and a replica, watched by three sentinels
//	rights    a real Redis, and three masters, to which what is tested logs in as the user
//	          that docs/operations.md describes: see UserLine
//
// and, but for the last, in the middle of each test, after some of its commands, a replica takes over.
// The failover waits for the commands under way and holds back those that come, so
// that every one of them has a certain end, and loses nothing that was acknowledged:
// the suite stays exact. What commands in the very moment of a failover see is for
// bench/faults. A client that is answered CROSSSLOT, or MOVED time and again, fails
// the test.
//
// EachWithClock, Each and EachWithCluster give the same. Shared and Start stay one
// real server, for tests that are about one: its settings, its connections behind a
// Proxy, its death, its files. No replica takes over where a test moves the clock:
// servers tell by their clocks who is dead, so those of a group with a movable one
// are told never to believe it.
func Empty(tb testing.TB) redis.UniversalClient {
	tb.Helper()
	if k := kind(tb); k != single && k != rights {
		return withFailover(tb, sharedGroup(tb, form{kind: k, replicas: 1}))
	}
	return Shared(tb).Client(patient)
}

// EmptyURL returns the URL of an empty store of the test's own, in Tollgate's form. No
// replica takes over in it.
func EmptyURL(tb testing.TB) string {
	tb.Helper()
	if k := kind(tb); k != single && k != rights {
		return sharedGroup(tb, form{kind: k, replicas: 1}).URL()
	}
	return Start(tb).URL()
}

// Each runs the test on miniredis and on a real Redis, both empty.
func Each(t *testing.T, test func(t *testing.T, c redis.UniversalClient)) {
	t.Helper()
	if k := kind(t); k != single {
		t.Run(k, func(t *testing.T) { test(t, Empty(t)) })
		return
	}
	t.Run("miniredis", func(t *testing.T) { test(t, Client(t, Mini(t).Addr(), patient)) })
	t.Run("redis", func(t *testing.T) { test(t, Empty(t)) })
}

// EachWithCluster runs the test like Each, and on a Cluster of three masters, empty
// as well.
func EachWithCluster(t *testing.T, test func(t *testing.T, c redis.UniversalClient)) {
	t.Helper()
	Each(t, test)
	if k := kind(t); k == single || k == rights {
		t.Run("cluster", func(t *testing.T) { test(t, sharedGroup(t, form{kind: cluster}).dial(t)) })
	}
}

// EachWithClock runs the test like Each, with a clock that it can move.
func EachWithClock(t *testing.T, test func(t *testing.T, c redis.UniversalClient, clock Clock)) {
	t.Helper()
	if k := kind(t); k == cluster || k == sentinel {
		t.Run(k, func(t *testing.T) {
			g := sharedGroup(t, form{kind: k, replicas: 1, clock: true})
			test(t, g.dial(t), g)
		})
		return
	}
	if kind(t) == single {
		t.Run("miniredis", func(t *testing.T) {
			m := Mini(t)
			c := Client(t, m.Addr(), patient)
			test(t, c, &miniClock{tb: t, m: m, c: c})
		})
	}
	t.Run("redis", func(t *testing.T) {
		s := Start(t, WithMovableClock())
		test(t, s.Client(patient), s)
	})
}
