package redistest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest/proc"

	"github.com/redis/go-redis/v9"
)

// Server is one redis-server process. Its methods fail the test on any error.
type Server struct {
	tb       testing.TB
	dir      string
	port     int
	password string
	config   []string // lines of redis.conf
	clock    string   // the file that holds the clock's offset; "" when it is the machine's
	sentinel bool
	watched  bool    // by sentinels
	secure   *secure // nil for plaintext

	sentinelPassword string // of the sentinels that watch the server
	proc             *proc.Process
	admin            *redis.Client // patient, and never closed by a test
}

// Option changes how a server is started.
type Option func(*Server)

// WithAOF keeps every write in an append-only file. fsync is always, everysec
// or no. Without it nothing survives Kill.
func WithAOF(fsync string) Option {
	return WithConfig("appendonly yes", "appendfsync "+fsync)
}

// WithConfig adds lines of redis.conf; they win over the kit's own.
func WithConfig(lines ...string) Option {
	return func(s *Server) { s.config = append(s.config, lines...) }
}

// WithPassword asks every connection for the password.
func WithPassword(password string) Option {
	return func(s *Server) {
		s.password = password
		s.config = append(s.config, "requirepass "+strconv.Quote(password), "masterauth "+strconv.Quote(password))
	}
}

// Start runs a redis-server of the test's own, without persistence unless an
// option says so, and stops it at the end of the test.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	return start(tb, tb.TempDir(), opts...)
}

// start runs a server in dir.
func start(tb testing.TB, dir string, opts ...Option) *Server {
	tb.Helper()
	s := &Server{tb: tb, dir: dir}
	for _, o := range opts {
		o(s)
	}
	if s.clock != "" {
		s.clock = filepath.Join(dir, s.clock)
		s.writeClock(0)
	}
	tb.Cleanup(func() { s.stop() })
	s.listen()
	return s
}

// Servers that sentinels watch have the first ports to themselves. A sentinel goes on looking
// for a master that died: whoever took its port would be made a replica, and lose what it has.
// Behind them are the others'; each has the port of its Cluster bus 10,000 above.
var (
	watchedPorts = proc.Range{Low: 11_000, Count: 1_000, Beside: 10_000}
	serverPorts  = proc.Range{Low: 12_000, Count: 10_000, Beside: 10_000}
)

// listen starts the server on a port of its own.
func (s *Server) listen() {
	s.tb.Helper()
	ports := serverPorts
	if s.watched {
		ports = watchedPorts
	}
	err := ports.Serve(func(port int) error {
		s.stop() // what an earlier attempt left
		s.port = port
		if err := s.configure(); err != nil {
			return err
		}
		return s.run()
	})
	if err != nil {
		s.tb.Fatalf("redistest: redis-server does not start: %v", err)
	}
}

// run starts the process and waits until it, and no other, serves the port.
func (s *Server) run() error {
	if err := s.launch(); err != nil {
		return err
	}
	if s.admin == nil {
		s.admin = redis.NewClient(s.options(patient))
	}
	return s.proc.AwaitReady(s.ready)
}

// launch starts the process.
func (s *Server) launch() (err error) {
	args := []string{"redis.conf"}
	if s.sentinel {
		args = append(args, "--sentinel")
	}
	cmd := exec.Command(Binary(s.tb), args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.clockEnv()...)
	s.proc, err = proc.StartLogged(cmd, filepath.Join(s.dir, "log"))
	return err
}

// configure writes redis.conf, once: a sentinel rewrites it later, and a
// server that restarts must find it so.
func (s *Server) configure() error {
	lines := append([]string{"bind 127.0.0.1", "protected-mode no"}, s.portLines()...)
	if !s.sentinel {
		lines = append(lines, `save ""`, "repl-diskless-sync-delay 0")
		if asUser(s.password) {
			lines = append(lines, userConfig(s.tb))
		}
	}
	text := strings.Join(append(lines, s.config...), "\n") + "\n"
	return os.WriteFile(filepath.Join(s.dir, "redis.conf"), []byte(text), 0o600)
}

// ready returns why our own process does not serve yet: it, and no other, has to answer, with
// its files read.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	info, err := s.admin.Info(ctx).Result()
	switch {
	case err != nil:
		return err
	case !strings.Contains(info, fmt.Sprintf("process_id:%d\r", s.proc.PID())):
		return errors.New("another server answers")
	case strings.Contains(info, "loading:1\r"):
		return errors.New("it is reading its files")
	}
	return nil
}

// stop ends the process for good.
func (s *Server) stop() {
	if s.proc != nil {
		s.proc.Kill()
	}
	if s.admin != nil {
		_ = s.admin.Close()
		s.admin = nil
	}
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return proc.Addr(s.port) }

// URL is the server's address as redis://host:port, or rediss, with the password if any, or the user's.
func (s *Server) URL() string {
	u := url.URL{Scheme: s.scheme(), Host: s.Addr()}
	switch {
	case s.password != "":
		u.User = url.UserPassword("", s.password)
	case asUser(s.password) && !s.sentinel:
		u.User = url.UserPassword(userName, userPassword)
	}
	return u.String()
}

// Do sends one command and returns its reply.
func (s *Server) Do(args ...any) any {
	s.tb.Helper()
	reply, err := s.admin.Do(context.Background(), args...).Result()
	if err != nil && err != redis.Nil {
		s.tb.Fatalf("redistest: %v: %v", args, err)
	}
	return reply
}

// Kill ends the server with SIGKILL: what was not written to its files is lost.
func (s *Server) Kill() {
	s.proc.Kill()
}

// Restart starts the server again on its port and files, after an orderly stop
// where it is still running, and returns when it serves.
func (s *Server) Restart() {
	s.tb.Helper()
	err := s.proc.Stop()
	if err == nil {
		err = s.run()
	}
	if err != nil {
		s.tb.Fatalf("redistest: restart: %v", err)
	}
}

// Freeze stops the process: connections stay open and nothing is answered.
func (s *Server) Freeze() {
	s.tb.Helper()
	s.signal(syscall.SIGSTOP)
	await(s.tb, "the server to freeze", s.proc.Stopped)
}

// Thaw lets a frozen server go on; what was sent meanwhile is then executed.
func (s *Server) Thaw() { s.tb.Helper(); s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if err := s.proc.Signal(sig); err != nil {
		s.tb.Fatalf("redistest: %v: %v", sig, err)
	}
}

// Dump returns everything the server keeps on disk: the RDB file of this
// moment, and the append-only files where it has any.
func (s *Server) Dump() []byte {
	s.tb.Helper()
	s.Do("SAVE")
	files := []string{filepath.Join(s.dir, "dump.rdb")}
	aof, _ := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*"))
	var all []byte
	for _, f := range append(files, aof...) {
		content, err := os.ReadFile(f)
		if err != nil {
			s.tb.Fatalf("redistest: dump: %v", err)
		}
		all = append(all, content...)
	}
	return all
}
