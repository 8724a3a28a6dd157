package redistest

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Client returns a client with the timeouts a gateway uses (a quarter of a
// second, no retries), for tests of what happens when the store is slow or
// gone. tune, if any, changes its options. It is closed with the test.
func (s *Server) Client(tune ...func(*redis.Options)) *redis.Client {
	o := s.options(append([]func(*redis.Options){brisk}, tune...)...)
	return dial(s.tb, o, asUser(s.password))
}

// Client returns a client for any address, with the options of Server.Client.
// It is the client to use through a Link.
func Client(tb testing.TB, addr string, tune ...func(*redis.Options)) *redis.Client {
	o := base(addr)
	brisk(o)
	for _, t := range tune {
		t(o)
	}
	_, mini := minis.Load(addr)
	return dial(tb, o, asUser(o.Password) && !mini)
}

// dial returns a client, as the user or as the default user. It is closed with the test.
func dial(tb testing.TB, o *redis.Options, user bool) *redis.Client {
	admin := *o
	if user {
		o.Username, o.Password = userName, userPassword
	}
	c := redis.NewClient(o)
	tb.Cleanup(func() { _ = c.Close() })
	if !user {
		return c
	}
	return restricted(tb, c, redis.NewClient(&admin))
}

func (s *Server) options(tune ...func(*redis.Options)) *redis.Options {
	o := base(s.Addr())
	o.Password = s.password
	if s.secure != nil {
		o.TLSConfig = s.secure.ca.Client(s.secure.pair)
		o.TLSConfig.ServerName = "127.0.0.1"
	}
	for _, t := range tune {
		t(o)
	}
	return o
}

func base(addr string) *redis.Options {
	return &redis.Options{
		Addr:                     addr,
		Protocol:                 3,
		MaxRetries:               -1,
		DialerRetries:            1,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: disabled(),
	}
}

func disabled() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// brisk gives up as early as a gateway does.
func brisk(o *redis.Options) {
	o.DialTimeout, o.PoolTimeout = 500*time.Millisecond, 100*time.Millisecond
	o.ReadTimeout, o.WriteTimeout = 250*time.Millisecond, 250*time.Millisecond
}

// patient waits, for tests that are about results and run on busy machines.
func patient(o *redis.Options) {
	o.DialTimeout, o.PoolTimeout = 5*time.Second, 10*time.Second
	o.ReadTimeout, o.WriteTimeout = 20*time.Second, 20*time.Second
}
