package house

import (
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// module is the path below which the packages are.
const module = "tollgate/"

// kits are the packages that only tests use, by how their paths begin.
var kits = []string{module + "bench", module + "keys/keystest", module + "keys/redisdb/redistest", module + "cmd/tollgate/golden"}

// The program has no test kit in it.
func TestProgramHasNoTestKit(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/tollgate")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 100 {
		t.Fatalf("only %d packages were found", len(deps))
	}
	for _, dep := range deps {
		for _, kit := range kits {
			if dep == kit || strings.HasPrefix(dep, kit+"/") {
				t.Errorf("the program contains %s", dep)
			}
		}
	}
}

// Benchmarks and harnesses stand on the packages, tests included, and not the other way round;
// and what starts a Redis knows nothing of what is tested on it.
func TestImportsOfTests(t *testing.T) {
	imports := 0
	for _, path := range paths(t, ".go") {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(imported, module) {
				continue
			}
			imports++
			if !strings.HasPrefix(path, "bench/") && strings.HasPrefix(imported, module+"bench/") {
				t.Errorf("%s imports %s", path, imported)
			}
			if redistest := "keys/redisdb/redistest"; strings.HasPrefix(path, redistest+"/") && !strings.HasPrefix(imported, module+redistest) {
				t.Errorf("%s imports %s", path, imported)
			}
		}
	}
	if imports < 500 {
		t.Errorf("only %d imports were found", imports)
	}
}
