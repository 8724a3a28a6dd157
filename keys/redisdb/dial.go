package redisdb

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// DefaultTimeout is how long a request waits for Redis in all, so that its answer
// comes within 300 ms when Redis is gone.
const DefaultTimeout = 250 * time.Millisecond

// timeouts is the time limits of a connection, by how long a request may wait in all.
// Whoever asks has a context that ends sooner: these are for what has none, and no request
// fails because it waited for a connection while Redis answers on the others.
type timeouts struct{ dial, call, pool time.Duration }

func timeoutsOf(timeout time.Duration) timeouts {
	return timeouts{dial: timeout * 3 / 5, call: timeout * 26 / 25, pool: timeout}
}

// Dial makes a client for a URL; it does not connect yet. The forms are
//
//	redis://[user:password@]host:port[/db]
//	rediss://…                                   the same over TLS
//	unix://[user:password@]/path[?db=N]
//	redis+sentinel://[user:password@]host:port,host:port/MASTER
//	redis+cluster://[user:password@]host:port,host:port
//
// poolSize bounds the connections to each node; 0 leaves it to go-redis. The
// connections have the timeouts of DefaultTimeout. What they answer is the answer of a
// server that was a master within the last second, or an error: see checkedConn.
func Dial(address string, poolSize int) (redis.UniversalClient, error) {
	return DialWithin(address, poolSize, DefaultTimeout)
}

// DialWithin is Dial with a timeout of one's own: the one that Options has too.
func DialWithin(address string, poolSize int, timeout time.Duration) (redis.UniversalClient, error) {
	client, err := dial(address, poolSize, timeout)
	if err != nil {
		return nil, err
	}
	checkServers(client)
	return client, nil
}

// DialInProcess makes a client for a miniredis in this process, which has no replicas
// and can't tell. Nothing is checked of what it answers: never use it for a server.
func DialInProcess(addr string) redis.UniversalClient {
	p := timeoutsOf(DefaultTimeout)
	return redis.NewClient(&redis.Options{
		Addr: addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: p.dial, ReadTimeout: p.call, WriteTimeout: p.call, PoolTimeout: p.pool,
		MaintNotificationsConfig: noMaintenance(),
	})
}

func dial(address string, poolSize int, timeout time.Duration) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return nil, fmt.Errorf("a Redis URL begins with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://")
	}
	switch scheme {
	case "redis", "rediss", "unix":
		return dialOne(address, poolSize, timeoutsOf(timeout))
	case "redis+sentinel":
		return dialSentinel(rest, poolSize, timeoutsOf(timeout))
	case "redis+cluster":
		return dialCluster(rest, poolSize, timeoutsOf(timeout))
	}
	return nil, fmt.Errorf("unknown kind of Redis URL %q", scheme+"://")
}

func dialOne(address string, poolSize int, p timeouts) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("the Redis URL can't be read: %w", withoutURL(err))
	}
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = p.dial, p.call, p.call, p.pool
	o.ContextTimeoutEnabled = true
	o.PoolSize = poolSize
	o.MaintNotificationsConfig = noMaintenance()
	return redis.NewClient(o), nil
}

func dialSentinel(rest string, poolSize int, p timeouts) (redis.UniversalClient, error) {
	user, password, hosts, master, err := endpoints(rest)
	if err != nil {
		return nil, err
	}
	if master == "" {
		return nil, fmt.Errorf("a redis+sentinel:// URL ends with /MASTER, the name of the master")
	}
	return redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: master, SentinelAddrs: hosts, Username: user, Password: password,
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: p.dial, ReadTimeout: p.call, WriteTimeout: p.call, PoolTimeout: p.pool,
		ContextTimeoutEnabled: true, PoolSize: poolSize,
	}), nil
}

func dialCluster(rest string, poolSize int, p timeouts) (redis.UniversalClient, error) {
	user, password, hosts, _, err := endpoints(rest)
	if err != nil {
		return nil, err
	}
	return redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: hosts, Username: user, Password: password,
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: p.dial, ReadTimeout: p.call, WriteTimeout: p.call, PoolTimeout: p.pool,
		ContextTimeoutEnabled: true, PoolSize: poolSize,
		MaintNotificationsConfig: noMaintenance(),
	}), nil
}

// noMaintenance switches off a handshake that plain Redis does not know.
func noMaintenance() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// endpoints reads [user:password@]host:port,host:port[/name].
func endpoints(rest string) (user, password string, hosts []string, name string, err error) {
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		u, err := url.Parse("x://" + rest[:i+1] + "x")
		if err != nil {
			return "", "", nil, "", fmt.Errorf("the user and password of the Redis URL can't be read")
		}
		user = u.User.Username()
		password, _ = u.User.Password()
		rest = rest[i+1:]
	}
	list, name, _ := strings.Cut(rest, "/")
	for _, host := range strings.Split(list, ",") {
		if !strings.Contains(host, ":") {
			return "", "", nil, "", fmt.Errorf("a Redis URL lists its hosts as host:port,host:port")
		}
		hosts = append(hosts, host)
	}
	return user, password, hosts, name, nil
}

// withoutURL drops the URL, and the password in it, from net/url's error.
func withoutURL(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}
