package rig

import (
	"errors"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Arrivals is what an open loop measured: requests arrive at a fixed rate, whether
// earlier ones were answered or not, and each is timed from when it should have been
// sent. So a stall is seen by all who would have come meanwhile.
type Arrivals struct {
	Rate    float64                 // asked for, a second
	Latency *hdrhistogram.Histogram // µs
	Shed    int64                   // refused with 503, and not in Latency
}

// tick is how often arrivals that are due are let in.
const tick = 200 * time.Microsecond

// Arrive sends requests at a rate for some time, each on the next connection that is free.
func Arrive(conns []*Conn, l Load, rate float64, during time.Duration) (*Arrivals, error) {
	due := make(chan int, int(rate*during.Seconds())+1)
	start := time.Now().Add(10 * time.Millisecond)
	intended := func(i int) time.Time { return start.Add(time.Duration(float64(i) / rate * 1e9)) }
	workers := make([]worker, len(conns))
	var done sync.WaitGroup
	for i, c := range conns {
		_ = c.SetDeadline(start.Add(during + exchangeLimit)) // an error shows at the next use
		w := &workers[i]
		w.load, w.latency = l, hdrhistogram.New(1, 60_000_000, 3)
		done.Go(func() { w.serve(c, due, intended) })
	}
	release(due, rate, start, cap(due)-1)
	done.Wait()
	return sum(workers, rate)
}

// release lets arrivals in as they become due. Nobody waits for it: what is due is
// timed from when it was, not from when it was let in.
func release(due chan<- int, rate float64, start time.Time, n int) {
	defer close(due)
	for sent := 0; sent < n; {
		for until := min(int(time.Since(start).Seconds()*rate), n); sent < until; sent++ {
			due <- sent
		}
		pause(tick)
	}
}

// worker serves one connection.
type worker struct {
	load    Load
	latency *hdrhistogram.Histogram
	shed    int64
	err     error
}

func (w *worker) serve(c *Conn, due <-chan int, intended func(int) time.Time) {
	for i := range due {
		if w.err != nil {
			continue // drains what is due
		}
		status, body, err := c.Do(w.load.Requests[i%len(w.load.Requests)])
		switch {
		case err != nil:
			w.err = err
		case status == unavailable:
			w.shed++
		default:
			w.err = w.load.Want.Check(status, body)
			_ = w.latency.RecordValue(min(max(time.Since(intended(i)).Microseconds(), 1), 60_000_000))
		}
	}
}

func sum(workers []worker, rate float64) (*Arrivals, error) {
	a := &Arrivals{Rate: rate, Latency: hdrhistogram.New(1, 60_000_000, 3)}
	var errs []error
	for i := range workers {
		a.Latency.Merge(workers[i].latency)
		a.Shed += workers[i].shed
		errs = append(errs, workers[i].err)
	}
	return a, errors.Join(errs...)
}

// Quantile returns a latency: 0.99 for p99.
func (a *Arrivals) Quantile(q float64) time.Duration {
	return time.Duration(a.Latency.ValueAtQuantile(q*100)) * time.Microsecond
}
