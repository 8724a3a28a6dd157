package datadir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/redisdb/redistest/proc"
)

// ownerVariable has this test binary look after a folder until it is killed.
const ownerVariable = "DATADIR_TEST_OWNER"

func TestMain(m *testing.M) {
	if path := os.Getenv(ownerVariable); path != "" {
		if _, err := Open(path, Options{Server: os.Getenv("DATADIR_TEST_SERVER"), Owner: Gateway}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		select {}
	}
	os.Exit(m.Run())
}

// logged is a log that a test reads.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func options(t *testing.T) (Options, *logged) {
	log := &logged{}
	return Options{Server: redistest.Binary(t), Owner: Gateway, Log: slog.New(slog.NewTextHandler(log, nil))}, log
}

// opened is a folder whose server answers.
func opened(t *testing.T, path string) (*Dir, *logged) {
	t.Helper()
	o, log := options(t)
	d, err := Open(path, o)
	if err == nil {
		t.Cleanup(func() { _ = d.Close() })
		err = d.AwaitReady(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return d, log
}

// say is the answer to a command.
func (d *Dir) say(t *testing.T, command string) string {
	t.Helper()
	answer, err := d.ask(command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return answer
}

// setting is what the server has as a setting.
func (d *Dir) setting(t *testing.T, name string) string {
	t.Helper()
	c, err := net.Dial("unix", d.file(socketFile))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "AUTH %s\r\nCONFIG GET %s\r\nQUIT\r\n", d.password, name)
	text, err := io.ReadAll(c) // +OK, *2, $4, the name, $2, the value, +OK
	lines := strings.Split(string(text), "\r\n")
	if err != nil || len(lines) < 7 {
		t.Fatal(lines, err)
	}
	return lines[5]
}

// pidOf is the process id of the server of a folder.
func pidOf(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path, pidFile))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// The folder is for its owner alone, the server asks for the password that is in it, keeps
// what it is told across a stop, and has no port.
func TestKeepsData(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder?#%", "data")
	d, _ := opened(t, path)
	for name, want := range map[string]os.FileMode{"": 0o700, passwordFile: 0o600, socketFile: 0o600, lockFile: 0o600, pidFile: 0o600} {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v %v, want %v", name, info.Mode(), err, want)
		}
	}
	stranger := *d
	stranger.password = "wrong"
	if err := stranger.ping(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with another password: %v", err)
	}
	words, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pidOf(t, path)))
	if err == nil && bytes.Contains(words, []byte(d.password)) {
		t.Error("the password is on the command line")
	}
	for name, want := range map[string]string{"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "port": "0", "save": ""} {
		if got := d.setting(t, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	d.say(t, "SET k 17")
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	if again, _ := opened(t, path); again.say(t, "STRLEN k") != ":2" {
		t.Error("what was stored is gone")
	}
}

// A folder that a gateway has is refused at once, in a sentence that names it.
func TestOneOwner(t *testing.T) {
	d, _ := opened(t, filepath.Join(t.TempDir(), "data"))
	o, _ := options(t)
	_, err := Open(d.path, o)
	var inUse *InUseError
	if want := fmt.Sprintf("%s is in use by tollgate serve (process %d)", d.path, os.Getpid()); !errors.As(err, &inUse) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// A command uses the server of the gateway, and where there is none its own, which is gone
// when it ends.
func TestJoin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	o, _ := options(t)
	o.Owner = "tollgate root create"
	alone, err := Join(t.Context(), path, o)
	if err != nil || !alone.Owned() {
		t.Fatal(alone, err)
	}
	alone.say(t, "SET k 17")
	pid := pidOf(t, path)
	waiting := make(chan *Dir)
	go func() { // waits until the first command has ended
		second, _ := Join(t.Context(), path, o)
		waiting <- second
	}()
	time.Sleep(50 * time.Millisecond)
	if err := alone.Close(); err != nil || !proc.Gone(pid) {
		t.Errorf("the server of a command is still there: %v", err)
	}
	second := <-waiting
	if second == nil || second.say(t, "STRLEN k") != ":2" {
		t.Fatal("the second command did not get the folder")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	gateway, _ := opened(t, path)
	o.Server = "/nonexistent" // it needs none
	joined, err := Join(t.Context(), path, o)
	if err != nil || joined.Owned() || joined.URL() != gateway.URL() {
		t.Fatal(joined, err)
	}
	if err := joined.Close(); err != nil || gateway.say(t, "STRLEN k") != ":2" {
		t.Errorf("a command stopped the gateway's server: %v", err)
	}
}

// A server that is killed is started again by itself and has what it acknowledged.
func TestStartsAgain(t *testing.T) {
	d, log := opened(t, filepath.Join(t.TempDir(), "data"))
	for i := range 3 {
		d.say(t, fmt.Sprintf("SET k%d 17", i))
		before := pidOf(t, d.path)
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, "a new server", func() bool { return pidOf(t, d.path) != before && d.ping() == nil })
		if got := d.say(t, fmt.Sprintf("EXISTS k%d", i)); got != ":1" {
			t.Errorf("after kill %d: %s", i, got)
		}
	}
	if n := log.count("Redis ended: it is started again"); n != 3 {
		t.Errorf("%d lines say so", n)
	}
}

// abandoned is a folder whose server runs and whose owner is gone.
func abandoned(t *testing.T) *Dir {
	t.Helper()
	d, err := prepare(filepath.Join(t.TempDir(), "data"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := d.stopOrphan()
	if err != nil {
		t.Fatal(err)
	}
	d.password = "earlier"
	err = errors.Join(os.WriteFile(d.file(passwordFile), []byte(d.password), 0o600), os.WriteFile(d.file(lockFile), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.launch(redistest.Binary(t), lock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	await(t, "the server", func() bool { return d.ping() == nil })
	return d
}

// A server that outlived its owner is stopped before another one starts, whether it answers
// or is frozen. What it acknowledged is there.
func TestOrphan(t *testing.T) {
	defer func(before time.Duration) { orphanStops = before }(orphanStops)
	orphanStops = time.Second
	for _, frozen := range []bool{false, true} {
		d := abandoned(t)
		d.say(t, "SET k 17")
		pid := pidOf(t, d.path)
		if frozen {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
		next, log := opened(t, d.path)
		if !proc.Gone(pid) || log.count("stopping it first") != 1 {
			t.Errorf("frozen %t: the orphan runs", frozen)
		}
		if got := next.say(t, "EXISTS k"); got != ":1" {
			t.Errorf("frozen %t: %s", frozen, got)
		}
	}
}

// An owner that is killed takes its server along (on Linux), again and again: the next one
// goes on with all that was acknowledged.
func TestOwnerKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	for i := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), ownerVariable+"="+path, "DATADIR_TEST_SERVER="+redistest.Binary(t))
		cmd.Stderr = os.Stderr
		owner, err := proc.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(owner.Kill)
		var d *Dir
		o, _ := options(t)
		await(t, "the owner's server", func() bool {
			d, err = attach(path, o)
			return err == nil && strings.Contains(d.owner(), strconv.Itoa(owner.PID()))
		})
		if got := d.say(t, "INCR n"); got != fmt.Sprintf(":%d", i+1) {
			t.Errorf("run %d: %s", i, got)
		}
		pid := pidOf(t, path)
		owner.Kill()
		if runtime.GOOS == "linux" {
			await(t, "the end of the server", func() bool { return proc.Gone(pid) })
		}
	}
	if d, _ := opened(t, path); d.say(t, "INCR n") != ":4" {
		t.Error("something was lost")
	}
}

// damage overwrites the beginning of the append-only file, where a command begins.
func damage(t *testing.T, path string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(path, "appendonlydir", "*.incr.aof"))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	text, err := os.ReadFile(all[0])
	if err == nil {
		copy(text, "no command")
		err = os.WriteFile(all[0], text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// With data that can't be read the start fails once, with what the server said and what to do.
func TestDamagedAtStart(t *testing.T) {
	d, _ := opened(t, filepath.Join(t.TempDir(), "data"))
	for i := range 50 {
		d.say(t, fmt.Sprintf("SET k%d 17", i))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, d.path)
	o, log := options(t)
	next, err := Open(d.path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	err = next.AwaitReady(t.Context())
	for _, want := range []string{"Bad file format", "redis-check-aof --fix", "exit status 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if log.count("started again") > 0 {
		t.Error("it was tried again")
	}
}

// A server that does not come up any more is tried again after ever longer pauses, each time
// with an error in the log, and can be stopped meanwhile.
func TestDamagedLater(t *testing.T) {
	d, log := opened(t, filepath.Join(t.TempDir(), "data"))
	for i := range 50 {
		d.say(t, fmt.Sprintf("SET k%d 17", i))
	}
	pid := pidOf(t, d.path)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	damage(t, d.path)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "the third try", func() bool { return log.count("Bad file format") >= 2 })
	if log.count("in=50ms") != 1 || log.count("in=100ms") != 1 {
		t.Errorf("the pauses do not grow")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is no place for data, or no server, is refused in a sentence.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("other/file")
	write("plain")
	for path, want := range map[string]string{
		"other": "is no data folder of Tollgate", "plain": "not a directory", "plain/data": "not a directory",
		strings.Repeat("long", 30): "too long for the socket in it, by",
	} {
		o, _ := options(t)
		if _, err := Open(filepath.Join(dir, path), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := Open(filepath.Join(dir, "none"), Options{Server: filepath.Join(dir, "plain")}); !errors.As(err, new(*ProgramError)) {
		t.Errorf("a file that can't be run: %v", err)
	}
	server := redistest.Binary(t)
	t.Setenv("PATH", dir)
	if _, err := Open(filepath.Join(dir, "none"), Options{}); !errors.Is(err, ErrNoServer) {
		t.Errorf("no server: %v", err)
	}
	if err := os.Symlink(server, filepath.Join(dir, "valkey-server")); err != nil {
		t.Skip(err)
	}
	if found, err := find(""); err != nil || filepath.Base(found) != "valkey-server" {
		t.Errorf("%s %v", found, err)
	}
}

// An empty folder that others can read is closed to them.
func TestClosesFolder(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	opened(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}
