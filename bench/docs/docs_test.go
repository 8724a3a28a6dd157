package docs

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/redisdb/redistest/proc"
)

const commandLimit = 4 * time.Minute // the first build on a machine, among other work

// Every block that can be run is run, and prints what its document says.
func TestWhatIsDocumentedWorks(t *testing.T) {
	tree := copyTree(t)
	for _, name := range documents(t) {
		t.Run(name, func(t *testing.T) { runDocument(t, tree, name) })
	}
}

// A shell in which somebody works with a real Redis is where `make run` is tried first.
func TestMakeRunNeedsNoRedis(t *testing.T) {
	s := newSession(t, copyTree(t))
	s.do("make run", block{language: "sh", text: "export TOLLGATE_REDIS_URL=redis://127.0.0.1:1\n"})
	s.do("make run", block{language: "sh", background: true, text: "make run\n"})
}

func runDocument(t *testing.T, tree, name string) {
	all, err := blocks(read(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var s *session
	for _, b := range all {
		switch {
		case b.runBy != "":
			runsDocument(t, b.runBy, name)
		case b.notRun == "" && runnable[b.language]:
			if s == nil {
				s = newSession(t, tree)
			}
			s.do(name, b)
		}
	}
}

// runsDocument checks that a test of another kind still reads the document.
func runsDocument(t *testing.T, test, name string) {
	t.Helper()
	if !strings.Contains(read(t, test), filepath.Base(name)) {
		t.Errorf("%s says that %s runs a block of it, and that does not mention %s", name, test, filepath.Base(name))
	}
}

// session runs the blocks of one document.
type session struct {
	*testing.T
	shell    *shell
	tree     string
	addr     string            // for 127.0.0.1:8080
	actual   *strings.Replacer // from what documents say to what is here
	restored *strings.Replacer // back
}

func newSession(t *testing.T, tree string) *session {
	t.Helper()
	addr, err := proc.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	store := redistest.Start(t, redistest.WithAOF("everysec")).Addr()
	// -trimpath makes what is compiled independent of the folder, so that it is compiled once.
	env := append(slices.DeleteFunc(os.Environ(), inherited), "TOLLGATE_ADDR="+addr, "TOLLGATE_REDIS_TIMEOUT=4s", "TOLLGATE_DRAIN_DELAY=10ms", "GOFLAGS=-buildvcs=false -trimpath")
	sh, err := newShell(tree, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sh.close)
	return &session{T: t, shell: sh, tree: tree, addr: addr,
		actual:   strings.NewReplacer("127.0.0.1:8080", addr, "0.0.0.0:8080", addr, "127.0.0.1:6379", store),
		restored: strings.NewReplacer(addr, "127.0.0.1:8080", store, "127.0.0.1:6379")}
}

// inherited reports whether a variable would make the shell behave otherwise than that of
// somebody who has just opened it: this test may run below make.
func inherited(pair string) bool {
	name, _, _ := strings.Cut(pair, "=")
	return strings.HasPrefix(name, "TOLLGATE_") || strings.HasPrefix(name, "MAKE") || slices.Contains([]string{"MFLAGS", "GNUMAKEFLAGS", "BASH_ENV"}, name)
}

// do runs a block, and ends the test where it does not do what the document says.
func (s *session) do(name string, b block) {
	s.Helper()
	var err error
	switch {
	case b.background:
		err = s.inBackground(b)
	case b.language == "sh":
		_, err = s.shell.run(s.actual.Replace(b.text), commandLimit)
	case b.language == "console":
		err = s.transcript(b)
	case b.language == "go":
		err = s.goProgram(b)
	}
	if err != nil {
		s.Fatalf("%s:%d: %v", name, b.line, err)
	}
}

// inBackground starts commands and waits until their gateway is ready.
func (s *session) inBackground(b block) error {
	log := filepath.Join(s.TempDir(), "log")
	if err := s.shell.start(s.actual.Replace(b.text), log, commandLimit); err != nil {
		return err
	}
	client := http.Client{Timeout: time.Second}
	for deadline := time.Now().Add(commandLimit); time.Now().Before(deadline) && s.shell.started(commandLimit); time.Sleep(50 * time.Millisecond) {
		answer, err := client.Get("http://" + s.addr + "/readyz")
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
	}
	printed, _ := os.ReadFile(log)
	return fmt.Errorf("no gateway became ready; it printed:\n%s", printed)
}

// transcript runs each command of a console block and compares what it prints.
func (s *session) transcript(b block) error {
	all, err := steps(b.text)
	if err != nil {
		return err
	}
	for _, step := range all {
		got, err := s.shell.run(s.actual.Replace(step.command), commandLimit)
		if err != nil {
			return fmt.Errorf("%s: %w", step.command, err)
		}
		if got = s.restored.Replace(got); !matches(step.output, got) {
			return fmt.Errorf("%s prints\n%s\nand the document says\n%s", step.command, got, step.output)
		}
	}
	return nil
}

// goProgram builds and runs a Go program inside the module.
func (s *session) goProgram(b block) error {
	dir, err := os.MkdirTemp(s.tree, "documented")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(s.actual.Replace(b.text)), 0o600); err != nil {
		return err
	}
	printed, err := s.shell.run("go run ./"+filepath.Base(dir), commandLimit)
	if err == nil && !strings.Contains(b.text, "// prints "+strings.TrimSpace(printed)) {
		err = fmt.Errorf("the program prints %q, and has no comment \"// prints …\" that says so", printed)
	}
	return err
}
