package redisdb

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// DefaultTimeout is how long a request waits for Redis in all, so that its answer
// comes within 300 ms when Redis is gone.
const DefaultTimeout = 250 * time.Millisecond

// Options of Dial. The zero value works.
type Options struct {
	PoolSize int           // connections to each node; 0 leaves it to go-redis
	Timeout  time.Duration // how long a request waits for Redis in all; 0 is DefaultTimeout
	TLS      TLSFiles      // for URLs with rediss

	// NoDurableWrites acknowledges a write before it is in the append-only file; see
	// DurableWrites. Waited, which may be nil, is called with how long each write that had
	// to wait for the file waited; it must be safe for concurrent use.
	NoDurableWrites bool
	Waited          func(time.Duration)
}

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
//	unix://[user:password@]/path[?db=N]
//	redis+sentinel://[user:password@]host:port,host:port/MASTER
//	redis+cluster://[user:password@]host:port,host:port
//
// and with rediss in the place of redis the same over TLS. Of the options that go-redis
// takes in a URL those in urlOptions are allowed: the others would change how often, how
// long or where Tollgate asks, and so break what it promises.
//
// What the connections answer is the answer of a server that was a master within the last
// second, or an error: see checkedConn. Writes are durable, unless o says otherwise.
func Dial(address string, o Options) (redis.UniversalClient, error) {
	client, err := dial(address, o.PoolSize, timeoutsOf(cmp.Or(o.Timeout, DefaultTimeout)), o.TLS)
	if err != nil {
		return nil, err
	}
	checkServers(client)
	if !o.NoDurableWrites {
		DurableWrites(client, o.Waited)
	}
	return client, nil
}

// DialInProcess makes a client for a miniredis in this process, which has no replicas
// and can't tell. Nothing is checked of what it answers: never use it for a server. A
// request waits as long as its store lets it.
func DialInProcess(addr string) redis.UniversalClient {
	p := timeoutsOf(time.Minute)
	return redis.NewClient(&redis.Options{
		Addr: addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: p.dial, ReadTimeout: p.call, WriteTimeout: p.call, PoolTimeout: p.pool,
		MaintNotificationsConfig: noMaintenance(),
	})
}

var errForms = errors.New("a Redis URL begins with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://")

func dial(address string, poolSize int, p timeouts, files TLSFiles) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return nil, errForms
	}
	if err := checkOptions(rest); err != nil {
		return nil, err
	}
	plain, kind, _ := strings.Cut(scheme, "+")
	switch {
	case kind == "" && (plain == "redis" || plain == "rediss" || plain == "unix"):
		return dialOne(address, poolSize, p, files)
	case plain != "redis" && plain != "rediss":
	case kind == "sentinel":
		return dialSentinel(plain, rest, poolSize, p, files)
	case kind == "cluster":
		return dialCluster(plain, rest, poolSize, p, files)
	}
	return nil, fmt.Errorf("unknown kind of Redis URL %q", scheme+"://")
}

// urlOptions are the options that may stand behind the ? of a URL.
var urlOptions = []string{"client_name", "db", "protocol", "sentinel_password", "sentinel_username", "skip_verify"}

func checkOptions(rest string) error {
	_, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the options of the Redis URL can't be read")
	}
	for name := range values {
		if !slices.Contains(urlOptions, name) {
			return fmt.Errorf("a Redis URL has no option %q here: it would change how often, how long or where Redis is asked; there are %s", name, strings.Join(urlOptions, ", "))
		}
	}
	return nil
}

func dialOne(address string, poolSize int, p timeouts, files TLSFiles) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("the Redis URL can't be read: %w", withoutURL(err))
	}
	if err := files.apply(o.TLSConfig); err != nil {
		return nil, err
	}
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = p.dial, p.call, p.call, p.pool
	o.ContextTimeoutEnabled, o.PoolSize = true, poolSize
	o.MaintNotificationsConfig = noMaintenance()
	return redis.NewClient(o), nil
}

// dialSentinel takes the user and the password for those of the master; those of the
// sentinels are options.
func dialSentinel(scheme, rest string, poolSize int, p timeouts, files TLSFiles) (redis.UniversalClient, error) {
	list, master, err := listed(scheme, rest)
	if err != nil {
		return nil, err
	}
	if master == "" {
		return nil, errors.New("a redis+sentinel:// URL ends with /MASTER, the name of the master")
	}
	query := list.Query()
	user, password := query.Get("sentinel_username"), query.Get("sentinel_password")
	query.Del("sentinel_username")
	query.Del("sentinel_password")
	query.Set("master_name", master)
	list.RawQuery = query.Encode()
	o, err := redis.ParseFailoverURL(list.String())
	if err != nil {
		return nil, fmt.Errorf("the Redis URL can't be read: %w", withoutURL(err))
	}
	o.Username, o.Password, o.SentinelUsername, o.SentinelPassword = o.SentinelUsername, o.SentinelPassword, user, password
	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // each server's own
	}
	if err := files.apply(o.TLSConfig); err != nil {
		return nil, err
	}
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = p.dial, p.call, p.call, p.pool
	o.ContextTimeoutEnabled, o.PoolSize = true, poolSize
	return redis.NewFailoverClient(o), nil
}

func dialCluster(scheme, rest string, poolSize int, p timeouts, files TLSFiles) (redis.UniversalClient, error) {
	list, _, err := listed(scheme, rest)
	if err != nil {
		return nil, err
	}
	o, err := redis.ParseClusterURL(list.String())
	if err != nil {
		return nil, fmt.Errorf("the Redis URL can't be read: %w", withoutURL(err))
	}
	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // each node's own
	}
	if err := files.apply(o.TLSConfig); err != nil {
		return nil, err
	}
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = p.dial, p.call, p.call, p.pool
	o.ContextTimeoutEnabled, o.PoolSize = true, poolSize
	o.MaintNotificationsConfig = noMaintenance()
	return redis.NewClusterClient(o), nil
}

// noMaintenance switches off a handshake that plain Redis does not know.
func noMaintenance() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// listed reads [user:password@]host:port,host:port[/name][?options]. It returns it as
// go-redis writes it, with the further hosts as options, and the name.
func listed(scheme, rest string) (list *url.URL, name string, err error) {
	rest, query, _ := strings.Cut(rest, "?")
	list = &url.URL{Scheme: scheme, RawQuery: query}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		u, err := url.Parse("x://" + rest[:i+1] + "x")
		if err != nil {
			return nil, "", errors.New("the user and password of the Redis URL can't be read")
		}
		list.User, rest = u.User, rest[i+1:]
	}
	hosts, name, _ := strings.Cut(rest, "/")
	options := list.Query()
	for i, host := range strings.Split(hosts, ",") {
		switch {
		case !strings.Contains(host, ":"):
			return nil, "", errors.New("a Redis URL lists its hosts as host:port,host:port")
		case i == 0:
			list.Host = host
		default:
			options.Add("addr", host)
		}
	}
	list.RawQuery = options.Encode()
	return list, name, nil
}

// withoutURL drops the URL, and the password in it, from net/url's error.
func withoutURL(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}
