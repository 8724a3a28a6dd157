package bench

import (
	"os"
	"slices"
	"testing"
	"time"

	"tollgate/bench/probe"
	"tollgate/bench/rig"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// meter adds up what one load has cost in its slices.
type meter struct {
	rig.Load
	conns              []*rig.Conn
	ops                int
	client, app, redis time.Duration // CPU
	took               []float64     // seconds for each operation, by slice
	shed               int64
	latency            *hdrhistogram.Histogram // µs
}

// compare measures b.N operations of a load and half as many of the one it is compared
// with, in slices that alternate. versus names the ratio of their throughputs.
func compare(b *testing.B, subject, reference rig.Load, conns int, versus string) {
	own, other := newMeter(b, subject, conns), newMeter(b, reference, conns)
	rounds := min(max(b.N/2000, 1), 10)
	before := own.memory(b)
	b.ResetTimer()
	for i := range rounds {
		n := b.N*(i+1)/rounds - b.N*i/rounds
		if i%2 == 0 {
			own.slice(b, n)
		}
		b.StopTimer()
		other.slice(b, (n+1)/2)
		b.StartTimer()
		if i%2 == 1 {
			own.slice(b, n)
		}
	}
	b.StopTimer()
	after := own.memory(b)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "allocs/op")
	b.ReportMetric(float64(after.Bytes-before.Bytes)/float64(b.N), "B/op")
	own.report(b)
	b.ReportMetric(median(own.took, other.took), versus)
	b.ReportMetric(ratio(other.each(other.client+other.app+other.redis), own.each(own.client+own.app+own.redis)), versus+"-cpu")
	b.ReportMetric(ratio(own.each(own.redis), other.each(other.redis)), "x-hget")
	b.ReportMetric(other.each(other.app), "floor-µs/op")
	b.ReportMetric(other.each(other.client), "floor-client-µs/op")
	b.ReportMetric(float64(other.latency.ValueAtQuantile(99)), "floor-p99-µs")
}

func newMeter(b *testing.B, l rig.Load, conns int) *meter {
	b.Helper()
	all, err := rig.DialMany(l.Side.Addr(), conns)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		for _, c := range all {
			_ = c.Close()
		}
	})
	return &meter{Load: l, conns: all, latency: hdrhistogram.New(1, 60_000_000, 3)}
}

func (m *meter) memory(b *testing.B) probe.Memory {
	b.Helper()
	memory, err := m.Side.Memory()
	if err != nil {
		b.Fatal(err)
	}
	return memory
}

// slice sends n requests and adds what they cost.
func (m *meter) slice(b *testing.B, n int) {
	client, app, redis := m.cpu(b)
	run, err := rig.Hammer(m.conns, m.Requests, n, m.Want)
	if err != nil {
		b.Fatal(err)
	}
	client2, app2, redis2 := m.cpu(b)
	m.client, m.app, m.redis = m.client+client2-client, m.app+app2-app, m.redis+redis2-redis
	m.took, m.ops, m.shed = append(m.took, run.Took.Seconds()/float64(n)), m.ops+n, m.shed+run.Shed
	for _, l := range run.Latencies {
		_ = m.latency.RecordValue(max(l.Microseconds(), 1)) // a run ends before the range does
	}
}

func (m *meter) cpu(b *testing.B) (client, app, redis time.Duration) {
	b.Helper()
	var all [3]time.Duration
	for i, pid := range []int{os.Getpid(), m.Side.Gateways[0].PID(), m.Side.Redis.PID()} {
		var err error
		if all[i], err = rig.CPU(pid); err != nil {
			b.Fatal(err)
		}
	}
	return all[0], all[1], all[2]
}

// each is the part of one operation, in µs.
func (m *meter) each(all time.Duration) float64 { return all.Seconds() * 1e6 / float64(m.ops) }

func (m *meter) report(b *testing.B) {
	b.ReportMetric(m.each(m.client), "client-µs/op")
	b.ReportMetric(m.each(m.app), "gateway-µs/op")
	b.ReportMetric(m.each(m.redis), "redis-µs/op")
	if m.shed > 0 {
		b.ReportMetric(float64(m.shed)/float64(m.ops), "shed/op")
	}
	b.ReportMetric(float64(m.latency.ValueAtQuantile(50)), "p50-µs")
	b.ReportMetric(float64(m.latency.ValueAtQuantile(99)), "p99-µs")
}

// median is the middle one of the ratios of the slices' throughputs.
func median(own, other []float64) float64 {
	ratios := make([]float64, len(own))
	for i := range own {
		ratios[i] = ratio(other[i], own[i])
	}
	slices.Sort(ratios)
	n := len(ratios)
	return (ratios[(n-1)/2] + ratios[n/2]) / 2
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
