package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"tollgate/cmd/tollgate/datadir"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// go-redis writes lines of its own to stderr, of every failed dial and of what sentinels
// say: among a log in JSON, and among what a command prints.
func init() { redis.SetLogger(libraryLog{}) }

// libraryLog has them in the log, for who looks closely.
type libraryLog struct{}

// Printf implements the logger of go-redis.
func (libraryLog) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, "go-redis", "said", fmt.Sprintf(format, args...))
}

// storeFlags say where state lives, for every command that needs it.
type storeFlags struct {
	Data          string `env:"TOLLGATE_DATA" placeholder:"DIR" help:"Keep everything in this folder: Tollgate starts a redis-server or valkey-server on it and looks after it. Where 'tollgate serve' does, every other command uses that one."`
	RedisServer   string `env:"TOLLGATE_REDIS_SERVER" placeholder:"FILE" help:"The server of --data. Without it: redis-server or valkey-server in PATH."`
	Redis         string `name:"redis" env:"TOLLGATE_REDIS_URL" secret:"" placeholder:"URL" help:"Redis: redis://, rediss://, unix://, redis+sentinel://host:port,host:port/MASTER or redis+cluster://host:port,host:port."`
	RedisCA       string `name:"redis-ca" env:"TOLLGATE_REDIS_CA" placeholder:"FILE" help:"For rediss: authorities, in PEM, of which one must have signed the servers' certificates. Without it: those of the system."`
	RedisCert     string `name:"redis-cert" env:"TOLLGATE_REDIS_CERT" placeholder:"FILE" help:"For rediss: the certificate that the gateway shows to the servers, in PEM. It is read again for each connection."`
	RedisKey      string `name:"redis-key" env:"TOLLGATE_REDIS_KEY" placeholder:"FILE" help:"Private key of --redis-cert, in PEM."`
	DurableWrites bool   `env:"TOLLGATE_DURABLE_WRITES" default:"true" negatable:"" help:"Acknowledge only what Redis has handed to the kernel for its append-only file, if it keeps one: then a crash of Redis loses nothing that was acknowledged. With appendfsync everysec that waits for an fsync that is under way, as long as a request may wait for Redis (${default})."`

	data *datadir.Dir // of --data, once it is open
}

// checkStore refuses flags that name several stores.
func (f *storeFlags) checkStore() error {
	if f.Data != "" && f.Redis != "" {
		return usagef("--data has a Redis of its own: give either --redis (TOLLGATE_REDIS_URL) or --data (TOLLGATE_DATA), not both")
	}
	return nil
}

// openData opens the folder of --data, if any, by one of the functions of datadir.
func (f *storeFlags) openData(open func(path string, o datadir.Options) (*datadir.Dir, error), owner string) (err error) {
	if f.Data == "" {
		return nil
	}
	var program *datadir.ProgramError
	switch f.data, err = open(f.Data, datadir.Options{Server: f.RedisServer, Owner: owner}); {
	case errors.As(err, &program):
		return usagef("--redis-server: %s", err)
	case err != nil:
		return fmt.Errorf("--data: %w", err)
	}
	f.Redis = f.data.URL()
	return nil
}

// AfterRun stops the Redis of --data, if this process has started it: kong calls it when the
// command has ended, also in an error.
func (f *storeFlags) AfterRun() error {
	if f.data == nil {
		return nil
	}
	return f.data.Close()
}

// open makes a store on the Redis of the flags, without talking to it yet. waited, or
// nil, is told how long writes waited for the append-only file.
func (f *storeFlags) open(pool int, o store.Options, waited func(time.Duration)) (*store.Store, error) {
	f.Redis = trimmed("--redis (TOLLGATE_REDIS_URL)", f.Redis)
	client, err := redisdb.Dial(f.Redis, redisdb.Options{PoolSize: pool, Timeout: o.Timeout, NoDurableWrites: !f.DurableWrites, Waited: waited, TLS: f.tlsFiles()})
	if err != nil {
		return nil, usagef("--redis: %s", err)
	}
	return store.Open(client, o), nil
}

func (f *storeFlags) tlsFiles() redisdb.TLSFiles {
	return redisdb.TLSFiles{CA: f.RedisCA, Certificate: f.RedisCert, Key: f.RedisKey}
}

// checkURL refuses a URL that can't be.
func (f *storeFlags) checkURL() error {
	client, err := redisdb.Dial(strings.TrimSpace(f.Redis), redisdb.Options{TLS: f.tlsFiles()})
	if err != nil {
		return usagef("--redis: %s", err)
	}
	return client.Close()
}

// openDev starts a Redis inside this process, which forgets everything at the end.
func openDev(o store.Options) (*store.Store, *miniredis.Miniredis, error) {
	mini := miniredis.NewMiniRedis()
	mini.ClockTTL(true)
	if err := mini.Start(); err != nil {
		return nil, nil, err
	}
	return store.Open(redisdb.DialInProcess(mini.Addr()), o), mini, nil
}
