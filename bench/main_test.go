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

// smoke reports whether the benchmarks only have to show that they work.
func smoke() bool { return flag.Lookup("test.benchtime").Value.String() == "1x" }

// spread is how many keys share the load.
func spread() int {
	if smoke() {
		return 8
	}
	return 512
}

// started is the world, once a benchmark has asked for it.
var started struct {
	once  sync.Once
	world *rig.World
	err   error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if w := started.world; w != nil {
		if err := w.End(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	rig.RemoveBuilt()
	os.Exit(code)
}

func world(b *testing.B) *rig.World {
	b.Helper()
	started.once.Do(func() { started.world, started.err = rig.NewWorld() })
	if started.err != nil {
		b.Fatal(started.err)
	}
	return started.world
}

// needs skips a benchmark, and says so, where the gateway has no such endpoints yet.
func needs(b *testing.B, paths ...string) {
	b.Helper()
	missing, err := world(b).Missing(paths...)
	if err != nil {
		b.Fatal(err)
	}
	if missing != "" {
		fmt.Printf("%s: not measured, because this gateway does not serve %s\n", b.Name(), missing)
		b.SkipNow()
	}
}
