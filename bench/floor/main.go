// Command floor is what a gateway is compared with: its web server with the same JSON
// in and out, after a single auto-pipelined HGET. It decides nothing, so nothing that
// asks Redis can be faster on that server.
//
//	floor serve --addr HOST:PORT --redis redis://HOST:PORT
//
// It is started like a gateway. What it answers is put into its Redis by whoever
// measures: the hash "floor:SUBJECT" holds an answer of the gateway, whose members it
// writes one by one with a request id of its own. SUBJECT is what the request is about:
// the key, the identifier or the API.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys/redisdb"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run() error {
	flags := flag.NewFlagSet("floor", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:0", "where to listen")
	address := flags.String("redis", "redis://127.0.0.1:6379", "the Redis")
	if len(os.Args) < 2 || os.Args[1] != "serve" {
		return fmt.Errorf("usage: floor serve --addr HOST:PORT --redis URL")
	}
	_ = flags.Parse(os.Args[2:]) // ends the program by itself
	client, err := redisdb.Dial(*address, redisdb.Options{NoDurableWrites: true})
	if err != nil {
		return err
	}
	store, err := newStore(client)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	server := web.New(web.Config{}, store.router())
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	go func() {
		<-stop.Done()
		_ = listener.Close()
		os.Exit(0) // nothing is worth draining
	}()
	return server.Serve(listener)
}
