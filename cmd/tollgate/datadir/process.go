package datadir

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// config is what the server reads from its standard input. Paths are below its folder.
const config = `port 0
unixsocket ` + socketFile + `
unixsocketperm 600
requirepass %s
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
always-show-logo no
`

// process is one run of the server.
type process struct {
	cmd  *exec.Cmd
	said *output
	done chan struct{} // closed when it has ended
}

// launch starts a run of the server. It inherits the lock, which is held as long as it lives.
func (d *Dir) launch(program string, lock *os.File) (*process, error) {
	defer lock.Close()
	p := &process{cmd: exec.Command(program, "-"), said: &output{log: d.log}, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = d.path, slices.DeleteFunc(os.Environ(), isOwn)
	p.cmd.Stdin = strings.NewReader(fmt.Sprintf(config, d.password))
	p.cmd.ExtraFiles = []*os.File{lock}
	p.cmd.WaitDelay = time.Second // for output that a child of the server still holds
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := spawn(p.cmd); err != nil {
		return nil, err
	}
	go p.wait(out)
	if err = d.write(pidFile, strconv.Itoa(p.pid())+"\n"); err != nil {
		p.kill()
	}
	return p, err
}

// isOwn reports whether a variable of the environment is Tollgate's: secrets are among them.
func isOwn(pair string) bool { return strings.HasPrefix(pair, "TOLLGATE_") }

func (p *process) pid() int { return p.cmd.Process.Pid }

// wait reaps the process, and ends what it started: a child that rewrites the append-only
// file holds the lock and has nobody to hand its work to.
func (p *process) wait(out io.Reader) {
	read := make(chan struct{})
	go func() {
		p.said.read(out)
		close(read)
	}()
	state, err := p.cmd.Process.Wait()
	killGroup(p.pid())
	select {
	case <-read:
	case <-time.After(p.cmd.WaitDelay):
	}
	if err == nil {
		p.said.ended(state.String())
	}
	_ = p.cmd.Wait() // closes the pipes
	close(p.done)
}

func (p *process) kill() {
	killGroup(p.pid())
	<-p.done
}

// why says how the process ended and what it said last.
func (p *process) why() string { return p.said.why() }

// keptLines is how much of what a server says is kept for errors.
const keptLines = 6

// output keeps the last lines of a server and hands all of them to the log.
type output struct {
	log   *slog.Logger
	mu    sync.Mutex
	lines []string
	state string
}

// read reads lines until there are no more.
func (o *output) read(from io.Reader) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		o.log.Debug("Redis", "said", lines.Text())
		o.add(lines.Text())
	}
	_, _ = io.Copy(io.Discard, from) // a line that is too long must not block the server
}

func (o *output) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if line = plain(line); line == "" {
		return
	}
	if o.lines = append(o.lines, line); len(o.lines) > keptLines {
		o.lines = o.lines[1:]
	}
}

func (o *output) ended(state string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = state
}

func (o *output) why() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.lines) == 0 {
		return o.state + "; it said nothing"
	}
	return fmt.Sprintf("%s; it said: %s", o.state, strings.Join(o.lines, " / "))
}

// plain returns a line without its process id and time: "123:M 26 Nov 2026 21:00:00.000 # text".
func plain(line string) string {
	for _, mark := range []string{" # ", " * ", " - ", " . "} {
		if _, text, ok := strings.Cut(line, mark); ok {
			return strings.TrimSpace(text)
		}
	}
	return strings.TrimSpace(line)
}
