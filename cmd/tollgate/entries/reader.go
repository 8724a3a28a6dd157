package entries

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"tollgate/keys"
	"tollgate/keys/audit"
)

// Reader prints what a log has.
type Reader struct {
	Log    *audit.Log
	Now    func(context.Context) (int64, error) // the log's clock, unix ms
	Access keys.Access
	JSON   bool
	Out    io.Writer
}

// followEvery is how often Redis is asked for what is new, and followGrace is for how long an
// entry that is pending is waited for.
const (
	followEvery = 500 * time.Millisecond
	followGrace = 10 * time.Second
)

// Show prints the newest entries that a query wants, the oldest of them first.
func (r *Reader) Show(ctx context.Context, q audit.Query, limit int) error {
	all, err := r.newest(ctx, q, limit)
	if err != nil {
		return err
	}
	return r.print(all)
}

// Follow is Show that goes on with what is new until ctx ends. An entry that is pending waits a
// moment for its result. It outlasts a Redis that does not answer.
func (r *Reader) Follow(ctx context.Context, q audit.Query, limit int) error {
	all, err := r.newest(ctx, q, limit)
	if err != nil {
		return err
	}
	now, err := r.Now(ctx)
	if err != nil {
		return err
	}
	some, q := settled(q, all, now)
	if err := r.print(some); err != nil {
		return err
	}
	return r.follow(ctx, q)
}

// newest reads the newest entries, and returns them with the oldest first.
func (r *Reader) newest(ctx context.Context, q audit.Query, limit int) (all []audit.Entry, err error) {
	for {
		q.Limit = limit - len(all)
		page, err := r.Log.Entries(ctx, r.Access, q)
		if err != nil {
			return nil, err
		}
		if all = append(all, page.Rows...); page.Next == "" || len(all) >= limit {
			slices.Reverse(all)
			return all, nil
		}
		q.Before = page.Next
	}
}

// settled returns those of some entries, the oldest first, before the first that may still get
// its result, and the query for what is behind them.
func settled(q audit.Query, all []audit.Entry, now int64) (some []audit.Entry, next audit.Query) {
	if q.After == "" {
		q.After = fmt.Sprintf("aud_%016d", max(q.Since, now-followGrace.Milliseconds())*1000)
	}
	for i, e := range all {
		if e.State == audit.Pending && now-e.Time < followGrace.Milliseconds() {
			return all[:i], q
		}
		q.After = max(q.After, e.ID)
	}
	return all, q
}

// follow prints what is new until ctx ends. It outlasts a Redis that does not answer.
func (r *Reader) follow(ctx context.Context, q audit.Query) error {
	q.Limit = audit.MaxRows
	for {
		now, err := r.Now(ctx)
		var page audit.Page
		if err == nil {
			page, err = r.Log.Entries(ctx, r.Access, q)
		}
		if err != nil && ctx.Err() == nil && keys.AsError(err).Kind != keys.KindUnavailable {
			return err
		}
		var some []audit.Entry
		some, q = settled(q, page.Rows, now)
		if err := r.print(some); err != nil {
			return err
		}
		if len(some) == len(page.Rows) && page.Next != "" {
			q.After = max(q.After, page.Next)
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

// print prints entries; whoever does not read any more is no error.
func (r *Reader) print(all []audit.Entry) error {
	err := Print(r.Out, r.JSON, all)
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}
