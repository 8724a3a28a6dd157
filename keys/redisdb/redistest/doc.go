// Package redistest starts real Redis servers for tests, and breaks them.
//
// A script that passes on miniredis can fail on Redis, one that passes on
// Redis can fail on a Cluster, and a client that works can spend twice when a
// reply is lost. So tests ask this package for the store they need:
//
//	Mini(t)                 miniredis in the process; SetTime moves its clock and its TTLs
//	Shared(t)               a real server, empty, used again by later tests; the fast default
//	Start(t, ...)           a real server of the test's own, with its own files and settings
//	Cluster(t, 3, 1)        a real Cluster: three masters, one replica each
//	Sentinel(t)             a master, two replicas and three sentinels
//	Empty(t)                a client of an empty store of the kind the run is about
//	Each(t, fn)             fn on miniredis and on real Redis
//	EachWithCluster(t, fn)  and on a Cluster of three masters
//	EachWithClock(t, fn)    both, with a clock the test can move
//	Proxy(t, addr)          a link to any of them that loses replies, cuts, delays or refuses
//	Twin(t, c, lua, cases)  what a Lua function gives for many cases, to hold against Go's
//	Rand(t)                 random cases that can be repeated
//
// TOLLGATE_STORE=cluster or =sentinel has the whole suite run on a Cluster of three
// masters and three replicas, or on what sentinels watch, with a failover in the
// middle of each test: see Empty.
//
// TOLLGATE_STORE=rights has what is tested log in as the user that docs/operations.md
// describes; `make rights` does.
//
// TOLLGATE_REDIS_SERVER=FILE has it run on another redis-server, or a valkey-server;
// `make stores SERVER=FILE` does.
//
// Everything is stopped and removed by the test's own cleanup. The servers are
// also tied to the life of the test binary (on Linux), so that one that is
// killed leaves no process behind; package proc sees to that. All ports are on loopback,
// below the ephemeral range, so that a server that restarts finds its port still free.
//
// A missing redis-server is a failure with the package to install, never a
// skip: a test that did not run must not look like one that passed.
//
// go-redis's own log is switched off in a test binary that imports this: it
// prints a line for every connection that fails, and here they fail on purpose.
//
// Whatever goes wrong in here fails the test that asked; call it from the
// test's own goroutine.
package redistest
