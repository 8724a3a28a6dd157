// Package datadir keeps a store in a folder: it starts a redis-server or valkey-server
// whose data is there, and looks after it.
//
//	dir, err := datadir.Open("data", datadir.Options{Owner: "tollgate serve"})
//	defer dir.Close()                // stops the server
//	err = dir.AwaitReady(ctx)
//	client, err := redisdb.Dial(dir.URL(), …)
//
// The server listens on a Unix socket alone and has a password of its own, which is in no
// command line and no environment. It keeps an append-only file, fsynced each second, and
// drops no keys. One that dies is started again, after a pause that grows while it does not
// come up; what it said last is in the error and in the log.
//
// In the folder, which only its owner can read, are
//
//	lock           locked by the process that looks after the folder; names it
//	server.lock    locked by the server itself, through a descriptor that it inherits
//	server.pid     the process id of the server
//	password       of the server; a new one each time the folder is opened
//	redis.sock     the server's socket
//	appendonlydir  the data
//
// Both locks are the kernel's and end with their processes. Whoever has the first one is the
// only one who starts a server; and none is started before the second one is free. So a
// server that outlived a killed owner is stopped first, and there are never two on one
// append-only file.
//
// Another process uses the same server with Join while the owner runs.
package datadir
