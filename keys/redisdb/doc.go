// Package redisdb sends commands and scripts to Redis: to a single server, to a master
// behind Sentinel, or to a Cluster.
//
//   - At most once. A script that may write is sent once, and never again when its reply
//     is late or lost: script.go.
//   - Durable. Behind every write a client of DurableWrites asks, in the same round trip,
//     whether it is in the append-only file, and waits until it is: durable.go.
//   - By a master. An answer is believed only from a server that was a master within the
//     last second: checkedconn.go. A server that is set so that it loses what it
//     acknowledged is not asked at all: Fitness.
//   - In time. Every call ends within the time that its request has: timeout.go.
//
// A failure of the store is a *keys.Error of KindUnavailable that says in what way the
// store failed; NotRun says whether anything may have been written.
package redisdb
