package keys

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Time limits of one exchange with Redis. Together they keep an answer within
// 300 ms when the store is gone.
const (
	dialTimeout     = 150 * time.Millisecond
	exchangeTimeout = 200 * time.Millisecond
	poolTimeout     = 100 * time.Millisecond
)

// Dial makes a client for a URL; it does not connect yet. The forms are
//
//	redis://[user:password@]host:port[/db]
//	rediss://…                                   the same over TLS
//	unix://[user:password@]/path[?db=N]
//	redis+sentinel://[user:password@]host:port,host:port/MASTER
//	redis+cluster://[user:password@]host:port,host:port
//
// poolSize bounds the connections to each node; 0 leaves it to go-redis.
func Dial(address string, poolSize int) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return nil, fmt.Errorf("a Redis URL begins with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://")
	}
	switch scheme {
	case "redis", "rediss", "unix":
		return dialOne(address, poolSize)
	case "redis+sentinel":
		return dialSentinel(rest, poolSize)
	case "redis+cluster":
		return dialCluster(rest, poolSize)
	}
	return nil, fmt.Errorf("unknown kind of Redis URL %q", scheme+"://")
}

func dialOne(address string, poolSize int) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("the Redis URL can't be read: %w", withoutURL(err))
	}
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = dialTimeout, exchangeTimeout, exchangeTimeout, poolTimeout
	o.ContextTimeoutEnabled = true
	o.PoolSize = poolSize
	o.MaintNotificationsConfig = noMaintenance()
	return redis.NewClient(o), nil
}

func dialSentinel(rest string, poolSize int) (redis.UniversalClient, error) {
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
		DialTimeout: dialTimeout, ReadTimeout: exchangeTimeout, WriteTimeout: exchangeTimeout, PoolTimeout: poolTimeout,
		ContextTimeoutEnabled: true, PoolSize: poolSize,
	}), nil
}

func dialCluster(rest string, poolSize int) (redis.UniversalClient, error) {
	user, password, hosts, _, err := endpoints(rest)
	if err != nil {
		return nil, err
	}
	return redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: hosts, Username: user, Password: password,
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: dialTimeout, ReadTimeout: exchangeTimeout, WriteTimeout: exchangeTimeout, PoolTimeout: poolTimeout,
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
