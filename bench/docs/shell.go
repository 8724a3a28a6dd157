package docs

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// shell is one bash that runs commands after each other and keeps their variables.
type shell struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	mark  string // begins the line behind the output of each run
}

// prologue ends what is in the background when the shell ends, and so also when the test
// is killed: the shell then reads the end of its input.
const prologue = `set -u -o pipefail
tollgate_job= tollgate_failed=0
tollgate_stop() {
  [ -n "$tollgate_job" ] || return 0
  kill -TERM -- "-$tollgate_job" 2>/dev/null
  while kill -0 -- "-$tollgate_job" 2>/dev/null; do sleep 0.02; done
  tollgate_job=
}
trap tollgate_stop EXIT
trap tollgate_failed=1 ERR
`

var errShellEnded = errors.New("the shell has ended")

// newShell starts a shell in a directory. close must be called.
func newShell(dir string, env []string) (*shell, error) {
	s := &shell{cmd: exec.Command("bash", "--noprofile", "--norc"), lines: make(chan string, 1024), mark: "end-" + rand.Text()}
	s.cmd.Dir, s.cmd.Env = dir, env
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stderr = s.cmd.Stdout
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go s.read(out)
	_, err = io.WriteString(s.in, prologue)
	return s, err
}

func (s *shell) read(out io.Reader) {
	defer close(s.lines)
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if line != "" {
			s.lines <- line
		}
		if err != nil {
			return
		}
	}
}

// run runs commands, which have no standard input, and returns what they print. It fails
// where one of them does, also in the middle, and after the time limit.
func (s *shell) run(commands string, limit time.Duration) (string, error) {
	return s.send("tollgate_failed=0\neval "+quote(commands)+" </dev/null", limit)
}

// start runs commands in the background, in a process group of their own, with their output
// in a file. It ends what an earlier start began.
func (s *shell) start(commands, log string, limit time.Duration) error {
	_, err := s.send("tollgate_stop; tollgate_failed=0; set -m; eval "+quote(commands)+" >"+quote(log)+" 2>&1 </dev/null &\n"+
		"tollgate_job=$!; set +m; disown", limit)
	return err
}

// started reports whether what start began is still running.
func (s *shell) started(limit time.Duration) bool {
	_, err := s.send(`tollgate_failed=0; kill -0 -- "-$tollgate_job" 2>/dev/null`, limit)
	return err == nil
}

func (s *shell) send(script string, limit time.Duration) (string, error) {
	if _, err := io.WriteString(s.in, script+"\n{ echo; echo "+s.mark+" $tollgate_failed; }\n"); err != nil {
		return "", errShellEnded
	}
	var output strings.Builder
	for timeout := time.After(limit); ; {
		select {
		case line, ok := <-s.lines:
			status, ended := strings.CutPrefix(line, s.mark+" ")
			switch {
			case !ok:
				return "", fmt.Errorf("%w; it printed:\n%s", errShellEnded, &output)
			case !ended:
				output.WriteString(line)
			case status != "0\n":
				return "", fmt.Errorf("a command failed; it printed:\n%s", &output)
			default:
				return strings.TrimSuffix(output.String(), "\n"), nil
			}
		case <-timeout:
			return "", fmt.Errorf("no end after %s; it printed:\n%s", limit, &output)
		}
	}
}

// close ends the shell and what it has in the background, and waits for both. A command that
// is still running is killed.
func (s *shell) close() {
	_ = s.in.Close()
	kill := time.AfterFunc(15*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	for range s.lines { // until all of them have closed their output
	}
	_ = s.cmd.Wait()
}

// quote makes a text one word of a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
