package main

import (
	"fmt"
	"slices"
	"time"

	"tollgate/bench/rig"
)

// subject is one side of the comparison.
type subject struct {
	name   string
	load   rig.Load
	conns  []*rig.Conn
	peak   float64 // requests a second in a closed loop
	best   float64 // the highest rate within the bound
	points []point
}

// point is the latency at a rate: the median over the rounds of each quantile.
type point struct {
	rate           float64
	p50, p99, p999 time.Duration
	shed           int64
}

func newSubject(name string, load rig.Load) (*subject, error) {
	all, err := rig.DialMany(load.Side.Addr(), *conns)
	if err != nil {
		return nil, err
	}
	s := &subject{name: name, load: load, conns: all}
	for range 2 { // the first run warms up
		run, err := rig.Hammer(s.conns, load.Requests, 20_000, load.Want)
		if err != nil {
			return nil, err
		}
		s.peak = float64(len(run.Latencies)) / run.Took.Seconds()
	}
	fmt.Printf("%-8s closed loop, %d connections: %.0f/s\n", name, *conns, s.peak)
	return s, nil
}

// measure holds each subject at its rate, in turns.
func measure(rates map[*subject]float64, order ...*subject) (map[*subject]point, error) {
	all := map[*subject][]point{}
	for range *rounds {
		for _, s := range order {
			p, err := s.hold(rates[s])
			if err != nil {
				return nil, fmt.Errorf("%s at %.0f/s: %w", s.name, rates[s], err)
			}
			all[s] = append(all[s], p)
		}
	}
	out := map[*subject]point{}
	for _, s := range order {
		out[s] = middle(all[s])
	}
	return out, nil
}

func (s *subject) hold(rate float64) (point, error) {
	a, err := rig.Arrive(s.conns, s.load, rate, *during)
	if err != nil {
		return point{}, err
	}
	return point{rate, a.Quantile(0.5), a.Quantile(0.99), a.Quantile(0.999), a.Shed}, nil
}

// middle takes the median of each column by itself.
func middle(points []point) point {
	column := func(of func(point) int64) int64 {
		var values []int64
		for _, p := range points {
			values = append(values, of(p))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return point{
		rate: points[0].rate,
		p50:  time.Duration(column(func(p point) int64 { return int64(p.p50) })),
		p99:  time.Duration(column(func(p point) int64 { return int64(p.p99) })),
		p999: time.Duration(column(func(p point) int64 { return int64(p.p999) })),
		shed: column(func(p point) int64 { return p.shed }),
	}
}

func (p point) String() string {
	text := fmt.Sprintf("%7.0f/s  p50 %8s  p99 %8s  p99.9 %8s", p.rate, p.p50, p.p99, p.p999)
	if p.shed > 0 {
		text += fmt.Sprintf("  %d shed", p.shed)
	}
	return text
}

// within reports whether a rate was held.
func (p point) within() bool { return p.shed == 0 && p.p99 < *bound }
