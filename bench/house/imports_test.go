package house

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path below which the packages are.
const module = "tollgate/"

// kits are the packages that only tests use, by how their paths begin.
var kits = []string{module + "bench", module + "keys/keystest", module + "keys/redisdb/redistest", module + "cmd/tollgate/golden"}

// gocmd returns what a command of go says.
func gocmd(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %q: %v", args, err)
	}
	return out
}

// The program has no test kit in it.
func TestProgramHasNoTestKit(t *testing.T) {
	deps := strings.Fields(string(gocmd(t, "list", "-deps", "./cmd/tollgate")))
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

// go.mod requires what the packages and their tests import, and no tool that is only run: those
// have their versions where they are run.
func TestRequirementsAreImported(t *testing.T) {
	imported := strings.Fields(string(gocmd(t, "list", "-test", "-f", `{{join .Imports "\n"}}`, "./...")))
	var file struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Tool []struct{ Path string }
	}
	if err := json.Unmarshal(gocmd(t, "mod", "edit", "-json"), &file); err != nil {
		t.Fatal(err)
	}
	direct := 0
	for _, r := range file.Require {
		if r.Indirect {
			continue
		}
		direct++
		if !slices.ContainsFunc(imported, func(path string) bool { return path == r.Path || strings.HasPrefix(path, r.Path+"/") }) {
			t.Errorf("go.mod requires %s, which nothing imports", r.Path)
		}
	}
	if direct < 20 || len(file.Tool) > 0 {
		t.Errorf("%d modules are required, and the tools %v", direct, file.Tool)
	}
}
