package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"tollgate/keys/redisdb/redistest/proc"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

func (s *Stack) startRedis() error {
	binary, err := redisServer()
	if err != nil {
		return err
	}
	return proc.Serve(func(addr string) error { return s.startRedisAt(addr, binary) })
}

func (s *Stack) startRedisAt(addr, binary string) (err error) {
	_, port, _ := net.SplitHostPort(addr)
	// The dump is not compressed, so that a search through it for a secret means something.
	args := []string{"--bind", "127.0.0.1", "--port", port, "--dir", s.Dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "no", "--rdbcompression", "no"}
	if s.opts.Password != "" {
		args = append(args, "--requirepass", s.opts.Password)
	}
	if s.Redis, err = s.startProcess("redis.log", nil, binary, args...); err != nil {
		return err
	}
	s.RedisAddr = addr
	s.closeClient() // an earlier attempt's
	s.client = redis.NewClient(&redis.Options{
		Addr: addr, Password: s.opts.Password, Protocol: 2, MaxRetries: -1, DialTimeout: time.Second,
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, PoolTimeout: 10 * time.Second,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	return s.Redis.AwaitReady(func() error {
		_, err := s.Do("PING")
		return err
	})
}

func (s *Stack) closeClient() {
	if s.client != nil {
		_ = s.client.Close()
	}
}

// redisServer finds the server to run: the file that TOLLGATE_REDIS_SERVER names, as for
// every other suite, otherwise redis-server.
func redisServer() (string, error) {
	name := cmp.Or(os.Getenv("TOLLGATE_REDIS_SERVER"), "redis-server")
	binary, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is needed and can't be run: %w", name, err)
	}
	return filepath.Abs(binary)
}

// RedisURL returns the address of the Redis, with the password if it has one.
func (s *Stack) RedisURL() string {
	if s.opts.Store != nil {
		return s.opts.Store.URL()
	}
	u := url.URL{Scheme: "redis", Host: s.RedisAddr}
	if s.opts.Password != "" {
		u.User = url.UserPassword("", s.opts.Password)
	}
	return u.String()
}

// Do sends one command to the Redis, once, and returns its reply: a string, an int64, a []any
// or nil.
func (s *Stack) Do(args ...string) (any, error) {
	if s.opts.Store != nil {
		return s.opts.Store.Do(args...)
	}
	command := make([]any, len(args))
	for i, arg := range args {
		command[i] = arg
	}
	reply, err := s.client.Do(context.Background(), command...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return reply, err
}
