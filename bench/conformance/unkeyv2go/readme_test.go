package unkeyv2go

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tollgate/bench/conformance/suite"

	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// snippet is the block of README.md that names this file.
var snippet = regexp.MustCompile("(?ms)^```go run-by=\"bench/conformance/unkeyv2go/readme_test.go\"\n(.*?)^```$")

const around = `package main

import (
	"context"
	"fmt"
	"log"
	"os"

	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
%s
	return nil
}
`

// What README.md shows of this client works as it stands there, but for the address.
func TestTheReadmesSnippet(tt *testing.T) {
	t := newTalk(tt)
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := snippet.FindAllStringSubmatch(string(text), -1)
	if len(shown) != 1 || strings.Count(shown[0][1], "http://127.0.0.1:8080") != 1 {
		t.Fatalf("README.md has %d snippets, want 1 with one address", len(shown))
	}
	dir, err := os.MkdirTemp(".", "readme") // inside the module, for its dependencies
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := fmt.Sprintf(around, strings.Replace(shown[0][1], "http://127.0.0.1:8080", suite.Server.URL, 1))
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	made := t.key(components.V2KeysCreateKeyRequestBody{})
	run := exec.Command("go", "run", "./"+dir)
	run.Env = append(os.Environ(), "ROOT_KEY="+suite.Server.RootKey, "KEY="+made.Key)
	out, err := run.CombinedOutput()
	if err != nil || string(out) != "true VALID\n" {
		t.Errorf("%v\n%s", err, out)
	}
}
