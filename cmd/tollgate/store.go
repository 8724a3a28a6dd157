package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"tollgate/keys"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// storeFlags say where state lives, for every command that needs it.
type storeFlags struct {
	Redis string `name:"redis" env:"TOLLGATE_REDIS_URL" placeholder:"URL" help:"Redis: redis://, rediss://, unix://, redis+sentinel://host:port,host:port/MASTER or redis+cluster://host:port,host:port."`
}

// open makes a store on the Redis of the flags, without talking to it yet.
func (f *storeFlags) open(pool int, o keys.Options) (*keys.Store, error) {
	client, err := keys.Dial(f.Redis, pool)
	if err != nil {
		return nil, usagef("--redis: %s", err)
	}
	return keys.Open(client, o), nil
}

// openDev starts a Redis inside this process, which forgets everything at the end.
func openDev(o keys.Options) (*keys.Store, *miniredis.Miniredis, error) {
	mini := miniredis.NewMiniRedis()
	mini.ClockTTL(true)
	if err := mini.Start(); err != nil {
		return nil, nil, err
	}
	client, err := keys.Dial("redis://"+mini.Addr(), 0)
	if err != nil {
		return nil, nil, err
	}
	return keys.Open(client, o), mini, nil
}

// inspect refuses a Redis that may drop keys, and warns of one that forgets them.
// A Redis that does not let itself be looked at is taken as it is, and said so.
func inspect(ctx context.Context, client redis.UniversalClient, log *slog.Logger) error {
	settings := map[string]string{}
	for _, name := range []string{"maxmemory-policy", "save", "appendonly"} {
		got, err := client.ConfigGet(ctx, name).Result()
		if err != nil {
			var refused redis.Error
			if !errors.As(err, &refused) {
				return keys.Unavailable(err)
			}
			log.Warn("Redis does not allow CONFIG GET: could not check maxmemory-policy and persistence")
			return nil
		}
		settings[name] = got[name]
	}
	if policy := settings["maxmemory-policy"]; policy != "noeviction" {
		return usageError{fmt.Sprintf("Redis has maxmemory-policy %s, which can drop keys: set it to noeviction", policy)}
	}
	if strings.TrimSpace(settings["save"]) == "" && settings["appendonly"] != "yes" {
		log.Warn("Redis keeps nothing across a restart: set appendonly yes, so that acknowledged changes survive")
	}
	return nil
}
