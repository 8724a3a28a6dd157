// Package metrics is what a gateway counts, for Prometheus. No label holds what a request
// said: names of routes, statuses and outcomes are the program's own.
package metrics

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/usage"
	"tollgate/verify"
	"tollgate/verify/authz"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the metrics of one gateway. They implement verify.Observer.
type Metrics struct {
	// Findings are what is wrong with the store, by name: 1 for what alarms, 2 for what makes
	// it unfit.
	Findings *prometheus.GaugeVec

	registry      *prometheus.Registry
	verifications map[verify.Code]prometheus.Counter
	undecided     prometheus.Counter
	failures      *prometheus.CounterVec // of verifications
	limitFailures *prometheus.CounterVec // of uses of identifiers in namespaces
	invalid       prometheus.Counter
	batch         prometheus.Histogram
	store         prometheus.Histogram
	storeFailures prometheus.Counter
	requests      *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	checks        map[verify.Code]prometheus.Counter // of ext_authz
	checkSeconds  prometheus.Histogram
	unknown       prometheus.Counter // root keys
	refusals      prometheus.Counter
	counters      prometheus.Counter
}

// outcomes are the codes that are counted from the start, at 0.
var outcomes = []verify.Code{
	verify.Valid, verify.NotFound, verify.Disabled, verify.Forbidden, verify.Expired,
	verify.InsufficientPermissions, verify.RateLimited, verify.UsageExceeded,
}

// New makes metrics, with these names of findings at 0.
func New(findings []string) *Metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	make := promauto.With(registry)
	verifications := make.NewCounterVec(prometheus.CounterOpts{
		Name: "tollgate_verifications_total", Help: "Verifications of keys, by how they ended; undecided ones were answered 503.",
	}, []string{"outcome"})
	m := &Metrics{
		registry: registry, verifications: map[verify.Code]prometheus.Counter{},
		undecided: verifications.WithLabelValues("undecided"), invalid: verifications.WithLabelValues("invalid"),
		batch: make.NewHistogram(prometheus.HistogramOpts{
			Name: "tollgate_batch_size", Help: "Verifications that travelled together in one call to Redis.", Buckets: prometheus.ExponentialBuckets(1, 2, 7),
		}),
		store: make.NewHistogram(prometheus.HistogramOpts{
			Name: "tollgate_store_seconds", Help: "How long Redis took to answer a call of verifications.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 12),
		}),
		storeFailures: make.NewCounter(prometheus.CounterOpts{
			Name: "tollgate_store_failures_total", Help: "Calls of verifications that Redis did not answer or refused.",
		}),
		requests: make.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_http_requests_total", Help: "Answers, by dialect, operation and status.",
		}, []string{"dialect", "operation", "status"}),
		seconds: make.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tollgate_http_seconds", Help: "From a request that was read to its answer.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 14),
		}, []string{"dialect"}),
		unknown: make.NewCounter(prometheus.CounterOpts{
			Name: "tollgate_unknown_root_keys_total", Help: "Requests with a root key that does not exist. They have no entries in the audit log.",
		}),
		refusals: make.NewCounter(prometheus.CounterOpts{
			Name: "tollgate_guesses_refused_total", Help: "Requests refused because their address had sent too many unknown root keys.",
		}),
		counters: make.NewCounter(prometheus.CounterOpts{
			Name: "tollgate_counters_refused_total", Help: "Requests refused because they would have made more counters than their key or their workspace may have.",
		}),
	}
	m.failures = newFailures(make, "tollgate_undecided_total", "Undecided verifications")
	m.limitFailures = newFailures(make, "tollgate_limits_undecided_total", "Undecided checks of limits in namespaces")
	m.Findings = make.NewGaugeVec(prometheus.GaugeOpts{
		Name: "tollgate_store_findings", Help: "What is wrong with Redis: 2 where every request is answered 503 for it, 1 where it may lose what it acknowledged, otherwise 0.",
	}, []string{"finding"})
	for _, name := range findings {
		m.Findings.WithLabelValues(name)
	}
	m.countChecks(make)
	for _, code := range outcomes {
		m.verifications[code] = verifications.WithLabelValues(string(code))
	}
	return m
}

// countChecks adds what ext_authz is answered with, each code from the start, at 0.
func (m *Metrics) countChecks(make promauto.Factory) {
	checks := make.NewCounterVec(prometheus.CounterOpts{
		Name: "tollgate_ext_authz_total", Help: "Checks of ext_authz over gRPC, by the code of their answer.",
	}, []string{"code"})
	m.checks = map[verify.Code]prometheus.Counter{}
	for _, code := range authz.Codes() {
		m.checks[code] = checks.WithLabelValues(string(code))
	}
	m.checkSeconds = make.NewHistogram(prometheus.HistogramOpts{
		Name: "tollgate_ext_authz_seconds", Help: "From a check that was read to its answer.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 14),
	})
}

// Checked counts an answer of ext_authz.
func (m *Metrics) Checked(a *authz.Answer, took time.Duration) {
	m.checks[a.Code].Inc()
	m.checkSeconds.Observe(took.Seconds())
}

// newFailures counts what was not decided, by failure and outcome, each from the start, at 0.
func newFailures(make promauto.Factory, name, what string) *prometheus.CounterVec {
	failures := make.NewCounterVec(prometheus.CounterOpts{
		Name: name, Help: what + ", by how the store failed, and by whether it is certain that nothing was spent.",
	}, []string{"failure", "outcome"})
	for _, f := range keys.Failures() {
		for _, outcome := range []string{"certain", "unknown"} {
			failures.WithLabelValues(f.String(), outcome)
		}
	}
	return failures
}

// NewFileWaits counts the waits for the append-only file. It is needed before the rest.
func NewFileWaits() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tollgate_aof_wait_seconds", Help: "How long calls to Redis that had to wait until it had written its append-only file waited.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
	})
}

// Watch adds what the usage counts could not keep, and the waits for the append-only
// file; none with --dev.
func (m *Metrics) Watch(usage *usage.Counter, waits prometheus.Histogram) {
	if waits != nil {
		m.registry.MustRegister(waits)
	}
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tollgate_usage_dropped_total", Help: "Verifications that are missing in the usage counts, because Redis did not take them.",
	}, func() float64 { return float64(usage.Dropped()) }))
}

// WatchAudit adds what the audit log could not be told.
func (m *Metrics) WatchAudit(log *audit.Log) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tollgate_audit_results_lost_total", Help: "Entries of the audit log that stay pending, and refusals that have none, because Redis did not take the result.",
	}, func() float64 { return float64(log.Lost()) }))
}

// UnknownRootKey counts a root key that does not exist.
func (m *Metrics) UnknownRootKey() { m.unknown.Inc() }

// WatchMemory adds the memory of connections and requests under way.
func (m *Metrics) WatchMemory(server *web.Server) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tollgate_request_memory_bytes", Help: "Memory of connections and requests under way, as --max-request-memory counts it.",
	}, func() float64 { return float64(server.MemoryUsed()) }), prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tollgate_request_memory_refused_total", Help: "Connections, bodies and large answers refused because --max-request-memory was in use.",
	}, func() float64 { return float64(server.MemoryRefused()) }))
}

// buildInfo is a gauge that is always 1 and says which build this is.
func buildInfo() prometheus.Collector {
	version, revision := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	labels := prometheus.Labels{"version": version, "revision": revision}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tollgate_build_info", Help: "Always 1; the labels say which build this is.", ConstLabels: labels,
	}, func() float64 { return 1 })
}

// Verified implements verify.Observer. Root keys that are looked at are not counted.
func (m *Metrics) Verified(r *verify.Request, o *verify.Outcome, err error) {
	switch {
	case r.Root:
	case err == nil:
		m.verifications[o.Code].Inc()
	case keys.AsError(err).Kind == keys.KindUnavailable:
		m.undecided.Inc()
		count(m.failures, keys.AsError(err))
	default:
		m.invalid.Inc()
	}
}

// Limited implements verify.Observer.
func (m *Metrics) Limited(err error) {
	if e := keys.AsError(err); e != nil && e.Kind == keys.KindUnavailable {
		count(m.limitFailures, e)
	}
}

// count counts what was not decided.
func count(failures *prometheus.CounterVec, e *keys.Error) {
	outcome := "unknown"
	if e.NothingSpent {
		outcome = "certain"
	}
	failures.WithLabelValues(e.Failure.String(), outcome).Inc()
}

// Sent implements verify.Observer.
func (m *Metrics) Sent(batch int, took time.Duration, err error) {
	m.batch.Observe(float64(batch))
	m.store.Observe(took.Seconds())
	if err != nil {
		m.storeFailures.Inc()
	}
}

// Gatherer returns what collects the metrics.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// GuessRefused counts a request that was refused for its address's unknown root keys.
func (m *Metrics) GuessRefused() { m.refusals.Inc() }

// CountersRefused implements verify.Observer.
func (m *Metrics) CountersRefused() { m.counters.Inc() }

// Answered counts an answer.
func (m *Metrics) Answered(c *web.Call, status int, took time.Duration) {
	operation := "none"
	if r := c.Route(); r != nil {
		operation = r.Name
	}
	m.requests.WithLabelValues(c.Dialect().Name, operation, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(c.Dialect().Name).Observe(took.Seconds())
}

// Serve answers /metrics and /readyz on addr until ctx ends.
func (m *Metrics) Serve(ctx context.Context, addr string, ready http.HandlerFunc) (net.Addr, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /readyz", ready)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			_ = listener.Close()
		}
	}()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return listener.Addr(), nil
}
