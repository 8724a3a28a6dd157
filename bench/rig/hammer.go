package rig

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// exchangeLimit ends a run whose answers do not come.
const exchangeLimit = 30 * time.Second

// unavailable is the status of what an overloaded gateway refuses to take on.
const unavailable = http.StatusServiceUnavailable

// Run is what a closed loop measured.
type Run struct {
	Took      time.Duration
	Latencies []time.Duration
	Shed      int64 // refused with 503, which a machine that others use can cause
}

// Hammer sends n requests over the connections, on each the next as soon as the last
// is answered, in the order of requests and round again. The first answer that is not
// the wanted one is an error.
func Hammer(conns []*Conn, requests []Request, n int, want Want) (Run, error) {
	var next, shed atomic.Int64
	errs := make([]error, len(conns))
	parts := make([][]time.Duration, len(conns))
	var done sync.WaitGroup
	start := time.Now()
	for i, c := range conns {
		_ = c.SetDeadline(start.Add(exchangeLimit)) // an error shows at the next use
		parts[i] = make([]time.Duration, 0, n/len(conns)*5/4+1)
		done.Go(func() { parts[i], errs[i] = c.loop(&next, &shed, requests, n, want, parts[i]) })
	}
	done.Wait()
	run := Run{Took: time.Since(start), Shed: shed.Load()}
	for _, p := range parts {
		run.Latencies = append(run.Latencies, p...)
	}
	return run, errors.Join(errs...)
}

func (c *Conn) loop(next, shed *atomic.Int64, requests []Request, n int, want Want, latencies []time.Duration) ([]time.Duration, error) {
	for {
		i := int(next.Add(1)) - 1
		if i >= n {
			return latencies, nil
		}
		sent := time.Now()
		status, body, err := c.Do(requests[i%len(requests)])
		if err == nil && status == unavailable {
			shed.Add(1)
			continue
		}
		if err == nil {
			err = want.Check(status, body)
		}
		if err != nil {
			next.Store(int64(n))
			return latencies, err
		}
		latencies = append(latencies, time.Since(sent))
	}
}
