// Command load finds out how much a gateway takes. Requests arrive at a fixed rate,
// whether earlier ones were answered or not, and are timed from when they should have
// been sent. It searches the highest rate at which p99 stays under a bound, for the
// gateway and for its floor (package rig says what that is) in turns, and draws both
// latency curves.
//
//	go run . -scenario v1/credits+1limit -p99 5ms -out ../out/latency.png
//
// It is a module of its own so that the library that draws stays out of the program's.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"tollgate/bench/rig"
)

var (
	scenario = flag.String("scenario", "v1/credits+1limit", "what is verified: a generation and a scenario of package rig")
	bound    = flag.Duration("p99", 5*time.Millisecond, "where p99 has to stay under")
	during   = flag.Duration("for", 2*time.Second, "how long one rate is held")
	rounds   = flag.Int("rounds", 3, "how often each rate is held; the median counts")
	conns    = flag.Int("conns", 128, "connections")
	keys     = flag.Int("keys", 512, "keys that share the load")
	steps    = flag.Int("steps", 7, "halvings of the search")
	picture  = flag.String("out", "latency.png", "the picture: .png, .svg or .pdf")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	world, err := rig.NewWorld()
	if err != nil {
		return err
	}
	defer func() {
		if e := world.End(); err == nil {
			err = e
		}
		rig.RemoveBuilt()
	}()
	gateway, floor, err := subjects(world)
	if err != nil {
		return err
	}
	if err := search(gateway, floor); err != nil {
		return err
	}
	if err := curve(gateway, floor); err != nil {
		return err
	}
	if err := seventy(gateway, floor); err != nil {
		return err
	}
	return draw(*picture, gateway, floor)
}

// subjects makes what is measured.
func subjects(world *rig.World) (gateway, floor *subject, err error) {
	generation, name, _ := strings.Cut(*scenario, "/")
	for _, g := range rig.Generations {
		if g.Name != generation {
			continue
		}
		s, err := g.Scenario(name)
		if err != nil {
			return nil, nil, err
		}
		loads := [2]rig.Load{}
		if loads[0], loads[1], err = world.Prepare(g, s, *keys); err != nil {
			return nil, nil, err
		}
		if gateway, err = newSubject("gateway", loads[0]); err != nil {
			return nil, nil, err
		}
		floor, err = newSubject("floor", loads[1])
		return gateway, floor, err
	}
	return nil, nil, fmt.Errorf("no generation %q", generation)
}
