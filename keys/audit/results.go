package audit

import (
	"context"
	"time"

	"tollgate/keys/redisdb"
)

// Bounds of the results that wait to be written. One that is lost leaves its entry pending,
// which says that the change may have happened.
const (
	maxWaiting   = 10_000
	maxTogether  = 100 // written in one exchange
	maxTries     = 60  // with pauses up to resultPause
	resultPause  = time.Second
	closeTimeout = 2 * time.Second
)

// result is an entry of an action that is over, to be written.
type result struct {
	ws    string
	entry Entry
	tries int
}

// finish has the result of an action written.
func (l *Log) finish(a *Action) {
	l.mu.Lock()
	if len(l.waiting) >= maxWaiting {
		l.lost++
	} else {
		l.waiting = append(l.waiting, result{ws: a.ws, entry: a.entry})
	}
	if l.idle == nil {
		l.idle = make(chan struct{})
		go l.writeResults()
	}
	l.mu.Unlock()
	if l.options.Wait {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		_ = l.Flush(ctx) // the entry is there; what is missing is its result
	}
}

// writeResults writes what waits until nothing does.
func (l *Log) writeResults() {
	for failed := 0; ; {
		l.mu.Lock()
		n := min(len(l.waiting), maxTogether)
		if n == 0 {
			close(l.idle)
			l.idle = nil
			l.mu.Unlock()
			return
		}
		some := l.waiting[:n:n]
		l.waiting = l.waiting[n:]
		l.mu.Unlock()
		if l.writeSome(some) {
			failed = 0
			continue
		}
		failed++
		time.Sleep(min(resultPause, time.Duration(failed)*100*time.Millisecond))
	}
}

// writeSome writes results, and puts those back that may be written once more. It reports
// whether it wrote all of them.
func (l *Log) writeSome(some []result) bool {
	calls := make([]redisdb.Invocation, len(some))
	for i, r := range some {
		calls[i] = l.write(r.ws, r.entry, true)
	}
	replies, err := l.db.RunAll(context.Background(), writeScript, calls)
	var again []result
	lost := int64(0)
	for i, r := range some {
		repeatable := r.entry.ID != "" || redisdb.NotRun(err) // a new entry would be there twice
		switch r.tries++; {
		case replies[i] != nil && r.entry.identify(replies[i]) == nil:
			l.told(r.ws, r.entry)
		case repeatable && r.tries < maxTries:
			again = append(again, r)
		default:
			lost++
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting, l.lost = append(again, l.waiting...), l.lost+lost
	return len(again) == 0 && lost == 0
}

// Flush returns when the results of all actions that are over are written.
func (l *Log) Flush(ctx context.Context) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	idle := l.idle
	l.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return redisdb.Unavailable(ctx.Err())
	}
}

// Close waits a moment for the results of the actions that are over, and returns an error where
// some are not written: their entries stay pending.
func (l *Log) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return l.Flush(ctx)
}

// Lost is how many results could not be written: entries that stay pending, and refusals that
// have none.
func (l *Log) Lost() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}
