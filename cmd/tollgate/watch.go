package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// How often the store is looked at while the program runs, and how soon again at most
// because a connection was made.
const (
	watchEvery = 2 * time.Second
	watchPause = 250 * time.Millisecond
	watchLimit = 2 * time.Second // for one look
	remindEach = 30 * time.Second
)

// watch goes on looking at what the start looked at: a setting may change, and after a
// failover it is another server's. One look is under way at a time, every watchEvery and
// soon after each new connection.
type watch struct {
	store    *store.Store
	durable  bool
	log      *slog.Logger
	findings *prometheus.GaugeVec // by name: 1 for what alarms, 2 for what makes the store unfit; nil for no metrics
	fitness  *redisdb.Fitness
	soon     chan struct{}
	said     map[string]bool // texts of findings, by node, that were logged and still stand
	remind   rate.Sometimes  // for the line that says again that the store is unfit
	unfit    bool
}

func newWatch(store *store.Store, durable bool, log *slog.Logger) *watch {
	return &watch{
		store: store, durable: durable, log: log, fitness: redisdb.FitnessOf(store.Redis()),
		soon: make(chan struct{}, 1), said: map[string]bool{}, remind: rate.Sometimes{Interval: remindEach},
	}
}

// run looks until ctx ends. A store in this process has no settings.
func (w *watch) run(ctx context.Context) {
	if w.fitness != nil {
		w.fitness.OnConnect(func() {
			select {
			case w.soon <- struct{}{}:
			default:
			}
		})
	}
	for ctx.Err() == nil {
		w.look(ctx)
		w.pause(ctx)
	}
}

func (w *watch) pause(ctx context.Context) {
	time.Sleep(watchPause)
	select {
	case <-ctx.Done():
	case <-w.soon:
	case <-time.After(watchEvery - watchPause):
	}
}

// look looks once. What does not answer is no finding: calls fail by themselves then.
func (w *watch) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(redisdb.Inspecting(ctx), watchLimit)
	defer cancel()
	var found []finding
	if w.fitness != nil {
		var err error
		var usage usageError
		if found, err = examine(ctx, w.store.Redis(), w.durable); errors.As(err, &usage) {
			found = append(found, finding{level: unfit, name: "server", text: usage.message})
		} else if err != nil {
			return
		}
	}
	switch err := w.store.Ping(ctx); {
	case full(err):
		found = append(found, finding{level: alarming, name: "full", text: "Redis is full: what takes memory is answered 503, reads and revocations work"})
	case err != nil && keys.AsError(err).Failure == keys.FailureReadOnly:
		found = append(found, finding{level: alarming, name: "read-only", text: "Redis takes no writes", attrs: []any{"cause", keys.AsError(err).Err}})
	}
	lost, err := w.store.Lost(ctx)
	if err != nil {
		return
	}
	if lost {
		found = append(found, finding{level: unfit, name: "lost-data", text: redisdb.ErrLost.Error()})
	}
	w.conclude(found)
}

// note takes findings for said.
func (w *watch) note(found []finding) {
	w.said = map[string]bool{}
	for _, f := range found {
		w.said[f.key()] = true
	}
}

// findingNames are the names of findings that may alarm.
var findingNames = []string{"maxmemory-policy", "io-threads", "server", "lost-data", "full", "read-only"}

// conclude logs what is new, counts it, and has every request answered 503 while
// something makes the store unfit.
func (w *watch) conclude(found []finding) {
	var cause error
	worst := map[string]level{}
	for _, f := range found {
		worst[f.name] = max(worst[f.name], f.level)
		switch {
		case f.level == unfit:
			cause = unfitCause(f)
			w.remind.Do(func() { f.log(w.log) })
		case f.level > telling && !w.said[f.key()]:
			f.log(w.log)
		}
	}
	w.note(found)
	if w.findings != nil {
		for _, name := range findingNames {
			w.findings.WithLabelValues(name).Set(float64(max(0, worst[name]-warning)))
		}
	}
	if w.fitness != nil {
		w.fitness.Set(cause)
	}
	if w.unfit && cause == nil {
		w.log.Info("the store is fit again")
		w.remind = rate.Sometimes{Interval: remindEach}
	}
	w.unfit = cause != nil
}

// key tells a finding from others.
func (f finding) key() string { return f.node + " " + f.text }

// unfitCause is the error of every request while a finding stands.
func unfitCause(f finding) error {
	if f.name == "lost-data" {
		return redisdb.ErrLost
	}
	return &redisdb.UnfitError{Why: f.text}
}
