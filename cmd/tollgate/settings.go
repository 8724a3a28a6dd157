package main

import (
	"cmp"
	"net"
	"net/url"
	"time"

	"tollgate/cmd/tollgate/metrics"
	"tollgate/keys/store"
)

// validate refuses settings that can't be, before the first socket opens. It trims the root
// key.
func (f *serveCommand) validate() error {
	return cmp.Or(f.checkRedis(), f.checkMemory(), f.checkDurations(), asUsageError(f.Flags.Check()), f.checkCounts(), f.checkRootKey(), f.checkAddresses(), f.checkTLS(), f.checkGRPC(), f.checkOrigins(), f.readPolicies())
}

func (f *serveCommand) checkRedis() error {
	switch {
	case f.Dev && f.Redis != "":
		return usagef("--dev runs on a Redis of its own: give either --redis or --dev, not both")
	case f.Dev && f.Data != "":
		return usagef("--dev forgets everything and --data keeps it: give either --data or --dev, not both")
	case f.Demo && f.Data == "":
		return usagef("--demo keeps its root key in the folder of --data")
	case !f.Dev && f.Redis == "" && f.Data == "":
		return usagef("say where Redis is with --redis URL (TOLLGATE_REDIS_URL), let Tollgate start one with --data DIR (TOLLGATE_DATA), or try it without one with --dev (TOLLGATE_DEV)")
	}
	return f.checkStore()
}

func (f *serveCommand) checkMemory() error {
	switch {
	case f.CacheMiB < 1 || f.CacheMiB > 1<<20:
		return usagef("--cache-mib: from 1 to %d", 1<<20)
	case f.MaxBody < 1024 || f.MaxHeader < 1024:
		return usagef("--max-body and --max-header: at least 1024 bytes")
	case f.MaxMemory < 8 || f.MaxMemory > 1<<20:
		return usagef("--max-request-memory: from 8 to %d MiB", 1<<20)
	case int64(f.MaxBody) > f.MaxMemory<<19:
		return usagef("--max-body is more than half of --max-request-memory")
	}
	return nil
}

func (f *serveCommand) checkDurations() error {
	switch {
	case f.ReadTimeout <= 0 || f.WriteTimeout <= 0 || f.IdleTimeout <= 0 || f.DrainTimeout <= 0 || f.DrainDelay <= 0:
		return usagef("time-outs are longer than 0s")
	case f.UsageRetention < 24*time.Hour || f.UsageRetention > 87600*time.Hour:
		return usagef("--usage-retention: from 24h to 87600h")
	case f.KeepDeleted != 0 && f.KeepDeleted < time.Second || f.KeepDeleted > 87600*time.Hour:
		return usagef("--deleted-retention: 0s, or from 1s to 87600h")
	case f.RedisTimeout < 50*time.Millisecond || f.RedisTimeout > 5*time.Second:
		return usagef("--redis-timeout: from 50ms to 5s")
	case !validRange(f.SetupKeyExpiry):
		return usagef("--setup-key-expiry-range: want seconds such as 86400-31536000")
	}
	return nil
}

func (f *serveCommand) checkCounts() error {
	switch {
	case f.MaxConns < 1 || f.MaxConnsPerIP < 0 || f.RedisPool < 0 || f.MaxGuesses < 0:
		return usagef("--max-conns is at least 1; --max-conns-per-ip, --redis-pool and --max-guesses are not negative")
	case f.MaxCounters < store.MaxKeyCounters:
		return usagef("--max-counters: at least %d", store.MaxKeyCounters)
	}
	return nil
}

func (f *serveCommand) checkAddresses() error {
	if _, _, err := net.SplitHostPort(f.Addr); err != nil {
		return usagef("--addr: want HOST:PORT")
	}
	if _, _, err := net.SplitHostPort(f.MetricsAddr); f.MetricsAddr != "" && err != nil {
		return usagef("--metrics-addr: want HOST:PORT")
	}
	return nil
}

// checkOrigins refuses what a browser would never send as an origin (RFC 6454, section 6.2).
func (f *serveCommand) checkOrigins() error {
	for _, origin := range f.CORSOrigins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return usagef("--cors-origins: %q is no origin such as https://app.example.com", origin)
		}
	}
	return nil
}

// readPolicies reads the file of policies, if any.
func (f *serveCommand) readPolicies() (err error) {
	f.policies, err = policiesOf(f.Policies, f.GRPCPolicy)
	return err
}

// newStore makes the store of the settings: in --dev on a Redis that it starts inside this
// process, otherwise without talking to Redis yet.
func (f *serveCommand) newStore() (*store.Store, error) {
	options, err := f.storeOptions()
	if err != nil {
		return nil, err
	}
	if f.Dev {
		store, _, err := openDev(options)
		return store, err
	}
	f.fileWaits = metrics.NewFileWaits()
	return f.open(f.RedisPool, options, func(took time.Duration) { f.fileWaits.Observe(took.Seconds()) })
}

// storeOptions reads the sealing keyset, if any.
func (f *serveCommand) storeOptions() (options store.Options, err error) {
	options = store.Options{DeletedRetention: f.KeepDeleted, Timeout: f.RedisTimeout, Audit: f.Flags.Options()}
	if f.SealingKeyset == "" {
		return options, nil
	}
	if f.sealer, err = store.LoadSealer(f.SealingKeyset); err != nil {
		return options, usagef("--sealing-keyset: %s", err)
	}
	options.Sealer = f.sealer
	return options, nil
}
