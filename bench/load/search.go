package main

import "fmt"

// search halves, for both in step, the range in which the highest rate lies that
// keeps p99 under the bound.
func search(subjects ...*subject) error {
	low, high := map[*subject]float64{}, map[*subject]float64{}
	for _, s := range subjects {
		high[s] = 1.2 * s.peak
	}
	for range *steps {
		rates := map[*subject]float64{}
		for _, s := range subjects {
			rates[s] = (low[s] + high[s]) / 2
		}
		got, err := measure(rates, subjects...)
		if err != nil {
			return err
		}
		for _, s := range subjects {
			if got[s].within() {
				low[s] = rates[s]
			} else {
				high[s] = rates[s]
			}
			fmt.Printf("%-8s %s\n", s.name, got[s])
		}
	}
	for _, s := range subjects {
		s.best = low[s]
		fmt.Printf("%-8s p99 under %s up to %.0f/s\n", s.name, *bound, s.best)
	}
	fmt.Printf("x-floor  %.3f\n", subjects[0].best/subjects[1].best)
	return nil
}

// curve measures each at parts of what it can take, and a little beyond.
func curve(subjects ...*subject) error {
	for _, part := range []float64{0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1, 1.1} {
		rates := map[*subject]float64{}
		for _, s := range subjects {
			rates[s] = max(part*s.best, 100)
		}
		got, err := measure(rates, subjects...)
		if err != nil {
			return err
		}
		for _, s := range subjects {
			s.points = append(s.points, got[s])
			fmt.Printf("%-8s %3.0f %%  %s\n", s.name, 100*part, got[s])
		}
	}
	return nil
}

// seventy compares p99 at the same rate, 70 % of the gateway's highest.
func seventy(gateway, floor *subject) error {
	rate := max(0.7*gateway.best, 100)
	got, err := measure(map[*subject]float64{gateway: rate, floor: rate}, gateway, floor)
	if err != nil {
		return err
	}
	fmt.Printf("at %.0f/s, 70 %% of the gateway's highest rate: p99 %s, the floor's %s: %.2f times\n",
		rate, got[gateway].p99, got[floor].p99, float64(got[gateway].p99)/float64(got[floor].p99))
	return nil
}
