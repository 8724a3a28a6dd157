package faults

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/ratelimit"
	"tollgate/refill"
	"tollgate/verify"
)

// ownClock lists the files of the deciding packages that look at the gateway's clock,
// and what for. None of it is a decision.
var ownClock = map[string]string{
	"keys/catalog/resolve.go":     "on a Cluster, when a look at the definitions began",
	"keys/catalog/revisions.go":   "on a Cluster, when to look again at what was prepared",
	"keys/backup/restore.go":      "how long a restore has taken",
	"keys/id.go":                  "ids sort by the moment of their creation",
	"keys/redisdb/checkedconn.go": "how long ago a connection's server said that it is a master",
	"keys/redisdb/durable.go":     "for how long a write has waited, and when to look for an append-only file again",
	"keys/redisdb/timeout.go":     "for how long a request has been going on",
	"keys/turns/turns.go":         "for how long heavy work took, and so rests",
	"keys/usage/send.go":          "when to look again at what is being counted",
	"verify/batch.go":             "for how long a verification has waited",
	"verify/clock.go":             "what the store's clock says by now, for the counts of usage",
	"verify/entry.go":             "the same as keys/catalog/revisions.go",
	"verify/lookups.go":           "for how long a look-up of a root key has waited",
	"verify/rootkey.go":           "on a Cluster, when to verify a known root key by itself again",
	"verify/shedder.go":           "for how long a verification has waited, and Redis owes an answer",
}

// A gateway whose clock is off by a day decides like the others: nothing that decides
// reads it.
func TestNoDecisionByTheGatewaysClock(t *testing.T) {
	seen := map[string]bool{}
	for _, pattern := range []string{"keys/*.go", "keys/*/*.go", "verify/*.go", "ratelimit/*.go", "refill/*.go"} {
		files, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, path := range files {
			name := filepath.ToSlash(strings.TrimPrefix(path, filepath.Join("..", "..")+string(filepath.Separator)))
			if strings.HasSuffix(name, "_test.go") || !readsClock(t, path) {
				continue
			}
			seen[name] = true
			if ownClock[name] == "" {
				t.Errorf("%s reads the gateway's clock", name)
			}
		}
	}
	for name := range ownClock {
		if !seen[name] {
			t.Errorf("%s does not read the gateway's clock any more: take it off the list", name)
		}
	}
	row(t, "gateway's clock", "%d files look at it, none to decide", len(seen))
}

func readsClock(t *testing.T, path string) (reads bool) {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.SelectorExpr)
		if ok && slices.Contains([]string{"Now", "Since", "Until"}, call.Sel.Name) {
			if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "time" {
				reads = true
			}
		}
		return true
	})
	return reads
}

// Limits and refills follow Redis's clock when it is stepped, by an hour and across
// midnight and back: a refill comes once, a balance is never negative, a limit never
// lets more through than it says and is not left full when the clock is set back.
func TestRedisClockStepped(t *testing.T) {
	server := redistest.Start(t, redistest.WithMovableClock())
	w := newWorld(t, server.Client())
	g := brisk(t, server)
	evening := server.Now().Truncate(24 * time.Hour).Add(24*time.Hour + 23*time.Hour + 31*time.Minute)
	server.SetClock(evening)

	counted := w.Create(keys.KeyDraft{Remaining: keystest.Uses(5), Refill: &refill.Schedule{Amount: 5}})
	limited := w.Create(keys.KeyDraft{Limits: limitsOf(ratelimit.Limit{Name: "l", Limit: 10, Duration: 600_000, AutoApply: true})})
	refills, most := 0, int64(0)
	for _, step := range []struct {
		by    time.Duration
		fresh int64 // uses that a refill gives
	}{{0, 5}, {time.Hour, 5}, {-time.Hour, 0}, {time.Hour, 0}, {-time.Hour, 0}, {25 * time.Hour, 5}, {-time.Hour, 0}, {time.Hour, 0}} {
		server.Advance(step.by)
		if got := w.exhaust(t, g, counted, 20); got != step.fresh {
			t.Errorf("after a step of %s: %d uses, want %d", step.by, got, step.fresh)
		} else if got > 0 && step.by != 0 {
			refills++
		}
		if left := w.Left(counted.ID).Balance; left < 0 {
			t.Errorf("balance %d", left)
		}
		most = max(most, w.exhaust(t, g, limited, 30))
	}
	server.Advance(-time.Hour)
	w.exhaust(t, g, limited, 30)
	server.Advance(20 * time.Minute)
	after := w.exhaust(t, g, limited, 30)
	row(t, "Redis's clock stepped by ±1 h", "%d refills of 2 midnights, at most %d of a limit of 10 passed, %d two windows after a step back", refills, most, after)
	if refills != 2 || most > 10 || after != 10 {
		t.Error("a refill came twice or not, or a limit let too much through, or none")
	}
}

// exhaust verifies n times and tells how often that was VALID.
func (w *world) exhaust(t *testing.T, g gateway, made keys.NewKey, n int) (valid int64) {
	t.Helper()
	for range n {
		code, err := g.spend(t.Context(), made.Secret)
		w.Must(err)
		if code == verify.Valid {
			valid++
		}
	}
	return valid
}
