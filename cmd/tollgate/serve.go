package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"tollgate/cmd/tollgate/datadir"
	"tollgate/cmd/tollgate/entries"
	"tollgate/cmd/tollgate/forwardauth"
	"tollgate/cmd/tollgate/guesses"
	"tollgate/cmd/tollgate/metrics"
	"tollgate/cmd/tollgate/netbird"
	"tollgate/cmd/tollgate/openapi"
	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/unkeyv1"
	"tollgate/cmd/tollgate/unkeyv2"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/sweep"
	"tollgate/keys/usage"
	"tollgate/verify"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
)

// serveCommand is `tollgate serve`.
type serveCommand struct {
	storeFlags
	addressFlags
	tlsFlags
	grpcFlags
	entries.Flags
	Addr           string        `env:"TOLLGATE_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where to listen (${default})."`
	Dev            bool          `env:"TOLLGATE_DEV" help:"Run on a Redis inside this process that forgets everything at exit."`
	Demo           bool          `env:"TOLLGATE_DEMO" help:"For trying, with --data: print how to create and verify a key, with a root key and an API that the next start shows again. The root key's plaintext is in the folder then, in demo.json."`
	RootKey        string        `env:"TOLLGATE_ROOT_KEY" secret:"" placeholder:"SECRET" help:"A root key with every right in the default workspace, created where it is missing. Better given in the environment."`
	SealingKeyset  string        `env:"TOLLGATE_SEALING_KEYSET" placeholder:"FILE" help:"Keyset of 'tollgate sealing create', for recoverable keys. Read again on SIGHUP."`
	CacheMiB       uint64        `name:"cache-mib" env:"TOLLGATE_CACHE_MIB" default:"64" help:"Memory for decoded keys, in MiB (${default})."`
	UsageRetention time.Duration `env:"TOLLGATE_USAGE_RETENTION" default:"2160h" help:"How long usage counts are kept (${default})."`
	KeepDeleted    time.Duration `name:"deleted-retention" env:"TOLLGATE_DELETED_RETENTION" default:"0s" help:"How long the record of a key that is deleted without permanent is kept in Redis, with its name, metadata and sealed plaintext; no endpoint shows it. With 0s nothing is kept but that its hash is taken (${default})."`
	RedisPool      int           `env:"TOLLGATE_REDIS_POOL" default:"0" help:"Connections to each Redis node; 0 is ten for each processor."`
	RedisTimeout   time.Duration `env:"TOLLGATE_REDIS_TIMEOUT" default:"250ms" help:"How long a request waits for Redis in all before it is answered 503, up to 5s (${default})."`
	SetupKeyExpiry string        `name:"setup-key-expiry-range" env:"TOLLGATE_SETUP_KEY_EXPIRY_RANGE" placeholder:"MIN-MAX" help:"Seconds that a setup key may live, such as 86400-31536000. Without it: any number up to 100 years, and 0 for ever."`
	CORSOrigins    []string      `name:"cors-origins" env:"TOLLGATE_CORS_ORIGINS" placeholder:"ORIGIN,…" help:"Origins, such as https://app.example.com, whose scripts may call /v2/ and read its answers; * for any. Without it: none."`
	MaxBody        int           `env:"TOLLGATE_MAX_BODY" default:"1048576" help:"Bytes of a request body (${default})."`
	MaxMemory      int64         `name:"max-request-memory" env:"TOLLGATE_MAX_REQUEST_MEMORY" default:"256" placeholder:"MIB" help:"Memory for connections and requests under way, in MiB; what does not fit is answered 503. A connection counts with --max-header and 8 KiB, over TLS with 24 KiB more (${default})."`
	MaxHeader      int           `env:"TOLLGATE_MAX_HEADER" default:"16384" help:"Bytes of a request's headers (${default})."`
	ReadTimeout    time.Duration `env:"TOLLGATE_READ_TIMEOUT" default:"10s" help:"For reading a request (${default})."`
	WriteTimeout   time.Duration `env:"TOLLGATE_WRITE_TIMEOUT" default:"10s" help:"For writing an answer (${default})."`
	IdleTimeout    time.Duration `env:"TOLLGATE_IDLE_TIMEOUT" default:"75s" help:"Between two requests of a connection (${default})."`
	DrainDelay     time.Duration `env:"TOLLGATE_DRAIN_DELAY" default:"1s" help:"After SIGTERM, how long to go on serving while not ready (${default})."`
	DrainTimeout   time.Duration `env:"TOLLGATE_DRAIN_TIMEOUT" default:"10s" help:"After SIGTERM, how long requests under way may take (${default})."`
	MaxConns       int           `env:"TOLLGATE_MAX_CONNS" default:"16384" help:"Connections at once (${default})."`
	MaxConnsPerIP  int           `name:"max-conns-per-ip" env:"TOLLGATE_MAX_CONNS_PER_IP" default:"0" help:"Connections of one peer at once, by its IPv4 address or IPv6 /64; 0 is unlimited. --trusted-proxies are not counted."`
	MaxGuesses     int           `env:"TOLLGATE_MAX_GUESSES" default:"100" help:"Unknown root keys that one address may send in a row before further ones, but one a second, are answered 429; 0 is unlimited (${default}). Valid root keys are not touched."`
	MaxCounters    int64         `env:"TOLLGATE_MAX_COUNTERS" default:"1000000" help:"Counters that the requests of one workspace may make, about: of limits that a verification brings, and of identifiers in namespaces. Over it they are answered 429; stored limits never are (${default})."`
	Policies       string        `name:"forward-auth-policies" env:"TOLLGATE_FORWARD_AUTH_POLICIES" placeholder:"FILE" help:"Policies, by name, of what proxies ask: /forward-auth/NAME, and policy=NAME of ext_authz. Read at the start, and again on SIGHUP."`
	MetricsAddr    string        `env:"TOLLGATE_METRICS_ADDR" placeholder:"HOST:PORT" help:"Where to answer /metrics, for Prometheus, and /readyz with the reason where it is not ready. Without it: nowhere."`
	LogLevel       string        `env:"TOLLGATE_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error (${default}). Read again from --config on SIGHUP."`
	LogFormat      string        `env:"TOLLGATE_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json (${default})."`

	fileWaits prometheus.Histogram
	policies  policies.Policies
	sealer    *store.Sealer // nil without --sealing-keyset
	level     slog.LevelVar

	// again reads the command line, the environment and the configuration file once more, and
	// returns the names of settings that have changed and need a restart. nil has none.
	again func() (next *serveCommand, waiting []string, err error)
}

// Run serves until SIGTERM or SIGINT. The Redis of --data is stopped last, behind it.
func (f *serveCommand) Run(ctx *kong.Context, given invocation) error {
	addresses, err := f.rule()
	if err != nil {
		return err
	}
	log := f.logger()
	slog.SetDefault(log)
	warnOfExposed(ctx)
	f.again = given.again
	if err := f.validate(); err != nil {
		return err
	}
	hangups := surviveSignals()
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if err := f.openData(datadir.Open, datadir.Gateway); err != nil {
		return err
	}
	store, err := f.newStore()
	if err != nil {
		return err
	}
	if f.Dev {
		log.Warn("running on a Redis inside this process: everything is forgotten at exit")
	}
	if f.ClientIPHeader != "" && len(f.TrustedProxies) == 0 {
		log.Warn("--client-ip-header is believed from everybody who can connect: name the proxies with --trusted-proxies", "header", f.ClientIPHeader)
	}
	g := &gateway{flags: f, store: store, log: log, guard: guesses.New(f.MaxGuesses, log), addresses: &web.Addresses{}, policies: policies.New(f.policies), hangups: hangups}
	g.addresses.Replace(addresses)
	return g.serve(stop)
}

func (f *serveCommand) logger() *slog.Logger {
	f.setLevel(f.LogLevel)
	options := &slog.HandlerOptions{Level: &f.level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

func (f *serveCommand) setLevel(text string) {
	var level slog.Level
	_ = level.UnmarshalText([]byte(text)) // kong has checked it
	f.level.Set(level)
}

// gateway is the running server.
type gateway struct {
	flags     *serveCommand
	store     *store.Store
	log       *slog.Logger
	guard     *guesses.Guard
	addresses *web.Addresses // whose address a request has; nil for the connection's
	policies  *policies.Current
	hangups   <-chan os.Signal
	counts    *metrics.Metrics // nil without --metrics-addr
	usage     *usage.Counter
	reader    *usage.Reader
	watch     *watch      // what the start looked at, as long as it runs
	opened    atomic.Bool // the store was looked at and the root key is there
	verifier  *verify.Verifier
}

// serve answers until stop ends, then drains.
func (g *gateway) serve(stop context.Context) error {
	listener, err := net.Listen("tcp", g.flags.Addr)
	if err != nil {
		return err
	}
	g.reader = usage.NewReader(g.store, g.flags.UsageRetention)
	g.usage = usage.NewCounter(g.reader)
	defer g.countRest()
	defer g.noteRest()
	if err := g.openMetrics(stop); err != nil {
		return errors.Join(err, listener.Close())
	}
	g.watch = newWatch(g.store, g.flags.DurableWrites, g.log)
	if g.counts != nil {
		g.watch.findings = g.counts.Findings
	}
	server := web.New(g.config(), g.router())
	if g.counts != nil {
		g.counts.WatchMemory(server)
	}
	grpc, err := g.openGRPC(server)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	ended := make(chan error, 3)
	go func() { ended <- server.Serve(listener) }()
	grpc.serve(ended)
	go func() {
		if err := g.work(stop, listener.Addr().String()); err != nil {
			ended <- err
		}
	}()
	g.watchCertificates(stop)
	go g.reloadOn(stop)
	g.log.Info("listening", "addr", listener.Addr().String(), "tls", g.flags.source != nil)
	select {
	case err := <-ended:
		_ = grpc.shutdown(context.Background(), server)
		return err
	case <-stop.Done():
	}
	g.log.Info("draining")
	ctx, cancel := context.WithTimeout(context.Background(), g.flags.DrainDelay+g.flags.DrainTimeout)
	defer cancel()
	if err := grpc.shutdown(ctx, server); err != nil {
		g.log.Warn("some requests were still under way", "after", g.flags.DrainTimeout)
	}
	return nil
}

// work opens the store and does what goes on beside requests, until stop ends.
func (g *gateway) work(stop context.Context, addr string) error {
	if err := g.awaitData(stop); err != nil {
		return err
	}
	if err := g.bootstrap(stop, addr); err != nil {
		return err
	}
	sweeper := sweep.New(g.store)
	go sweeper.SweepCounters(stop, func(err error) { g.log.Warn("could not go through the counters of older versions", "cause", err) })
	go g.preload(stop)
	go g.checkPolicies(stop)
	go g.watch.run(stop)
	sweeper.Sweep(stop, func(err error) { g.log.Warn("could not remove what is left of deleted APIs and keys", "cause", err) })
	return nil
}

// awaitData waits until the Redis of --data has read its data. One that can't ends the program.
func (g *gateway) awaitData(stop context.Context) error {
	data := g.flags.data
	if data == nil {
		return nil
	}
	g.log.Info("keeping everything in a folder", "data", data.Path())
	if err := data.AwaitReady(stop); stop.Err() == nil {
		return err
	}
	return nil
}

// preload reads the root keys into memory. Requests are served without it.
func (g *gateway) preload(stop context.Context) {
	if err := g.verifier.Preload(stop); err != nil {
		g.log.Warn("could not read the root keys ahead of requests", "cause", err)
	}
}

// countRest sends what was counted and not sent yet.
func (g *gateway) countRest() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := g.usage.Close(ctx); err != nil {
		g.log.Warn("some usage was not counted", "cause", err)
	}
}

func (g *gateway) config() web.Config {
	f := g.flags
	var secure *tls.Config
	if f.source != nil {
		secure = f.source.Config("http/1.1")
	}
	return web.Config{
		TLS:     secure,
		MaxBody: f.MaxBody, MaxHeader: f.MaxHeader, MaxMemory: f.MaxMemory << 20,
		ReadTimeout: f.ReadTimeout, WriteTimeout: f.WriteTimeout, IdleTimeout: f.IdleTimeout,
		MaxConns: f.MaxConns, MaxConnsPerIP: f.MaxConnsPerIP, DrainDelay: f.DrainDelay,
		Addresses: g.addresses, Ready: g.ready, Intact: g.store.Intact, Log: g.log, Observe: g.observe, Refused: entries.Refusals(g.store.Audit),
	}
}

// observe is told of every answer.
func (g *gateway) observe(c *web.Call, status int, took time.Duration) {
	if g.counts != nil {
		g.counts.Answered(c, status, took)
	}
}

// openMetrics begins to count, where that was asked for.
func (g *gateway) openMetrics(stop context.Context) error {
	if g.flags.MetricsAddr == "" {
		return nil
	}
	g.counts = metrics.New(findingNames)
	g.counts.Watch(g.usage, g.flags.fileWaits)
	g.counts.WatchAudit(g.store.Audit)
	g.guard.Met = g.counts.UnknownRootKey
	g.guard.Refused = g.counts.GuessRefused
	addr, err := g.counts.Serve(stop, g.flags.MetricsAddr, g.readyDetail)
	if err == nil {
		g.log.Info("metrics", "addr", addr.String())
	}
	return err
}

// observer is who is told of verifications; nil for nobody.
func (g *gateway) observer() verify.Observer {
	if g.counts == nil {
		return nil
	}
	return g.counts
}

func (g *gateway) router() *web.Router {
	verifier := verify.New(g.store, verify.Options{
		CacheBytes: g.flags.CacheMiB << 20, Timeout: g.flags.RedisTimeout, MaxCounters: g.flags.MaxCounters,
		Observer: verify.CountUsage(g.usage, g.observer()), UnknownRootKey: g.guard.Guessed,
	})
	g.verifier = verifier
	v1 := unkeyv1.New(g.store, g.reader, verifier)
	v2 := unkeyv2.New(g.store, verifier)
	setup := netbird.New(setupkeys.New(g.store), verifier, netbird.Options{Lifetimes: lifetimes(g.flags.SetupKeyExpiry), Log: g.log})
	v2.Dialect().Origins = g.flags.CORSOrigins
	forward := forwardauth.New(verifier, g.policies)
	router := web.NewRouter(v1.Dialect(), v2.Dialect(), setup.Dialect(), forward.Dialect())
	router.Add(v1.Dialect(), v1.Routes()...)
	router.Add(v2.Dialect(), v2.Routes()...)
	router.Add(setup.Dialect(), setup.Routes()...)
	router.Add(forward.Dialect(), forward.Routes()...)
	router.Add(v1.Dialect(), openapi.Route(router))
	return router
}

var errOpening = errors.New("the store has not answered yet")

// ready returns nil where requests can be served: Redis answers, runs scripts and takes
// writes. While it is full it is web.ErrDegraded.
func (g *gateway) ready(ctx context.Context) error {
	if !g.opened.Load() {
		return errOpening
	}
	err := g.store.Ping(ctx)
	if full(err) {
		return web.ErrDegraded
	}
	return err
}

// full reports whether a Ping found nothing wrong but that Redis is full.
func full(err error) bool { return err != nil && keys.AsError(err).Failure == keys.FailureFull }

// bootstrap looks at the store and creates the root key, as soon as Redis answers.
func (g *gateway) bootstrap(ctx context.Context, addr string) error {
	for {
		err := g.openStore(ctx, addr)
		if err == nil {
			g.opened.Store(true)
			return nil
		}
		failed := keys.AsError(err)
		if failed.Kind != keys.KindUnavailable {
			return err
		}
		if failed.Failure == keys.FailureNotAllowed {
			return usagef("Redis refuses what Tollgate asks of it: %s", failed.Err)
		}
		g.log.Warn("waiting for Redis", "cause", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (g *gateway) openStore(ctx context.Context, addr string) error {
	if !g.flags.Dev {
		found, err := inspect(ctx, g.store.Redis(), g.flags.DurableWrites, g.log)
		if err != nil {
			return err
		}
		g.watch.note(found)
	}
	if err := g.store.Rights(ctx); err != nil {
		return err
	}
	if err := g.store.Mark(ctx); err != nil {
		return err
	}
	if g.flags.RootKey == "" && !g.flags.Dev && !g.flags.Demo {
		if err := g.store.Ping(ctx); err != nil && !full(err) {
			return err
		}
		return g.lookForEarlierKeys(ctx)
	}
	ctx = entries.EnvironmentContext(ctx)
	workspace, err := g.store.Workspace(ctx, keys.DefaultWorkspace)
	if err != nil {
		return err
	}
	if g.flags.Demo {
		return g.openDemo(ctx, workspace, addr)
	}
	secret, err := g.createRootKey(ctx, workspace)
	if err != nil || !g.flags.Dev {
		return err
	}
	api, err := g.store.CreateAPI(ctx, keys.Operator(workspace).As(), "dev")
	if err != nil {
		return err
	}
	greet(os.Stdout, devIntroduction, g.url(addr), secret.Reveal(), api.ID)
	return nil
}
