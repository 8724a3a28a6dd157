package bench

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"tollgate/bench/rig"
)

var connections = flag.Int("conns", 128, "connections of the parallel benchmarks")

// smoke tells whether the benchmarks only have to show that they work.
func smoke() bool { return flag.Lookup("test.benchtime").Value.String() == "1x" }

// world is what the benchmarks over HTTP share.
type world struct {
	gateway, floor *rig.Side
	apiID          string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := endWorld(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// started is the world, once a benchmark has asked for it.
var started struct {
	once  sync.Once
	world *world
	err   error
}

func theWorld(b *testing.B) *world {
	b.Helper()
	started.once.Do(func() { started.world, started.err = startWorld() })
	if started.err != nil {
		b.Fatal(started.err)
	}
	return started.world
}

func startWorld() (w *world, err error) {
	built, err := rig.Build()
	if err != nil {
		return nil, err
	}
	w = &world{}
	if w.gateway, err = rig.Start(built.Gateway); err != nil {
		return w, err
	}
	if w.floor, err = rig.Start(built.Floor); err != nil {
		return w, err
	}
	api, err := w.gateway.Must("/v1/apis.createApi", object{"name": "bench"})
	if err == nil {
		w.apiID, _ = api["apiId"].(string)
	}
	return w, err
}

func endWorld() (err error) {
	w := started.world
	if w == nil {
		return nil
	}
	for _, side := range []*rig.Side{w.gateway, w.floor} {
		if side == nil {
			continue
		}
		if e := side.Stop(); e != nil {
			err = e
		}
	}
	if built, e := rig.Build(); e == nil {
		built.Remove()
	}
	return err
}
