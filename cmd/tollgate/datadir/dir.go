package datadir

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files of a folder.
const (
	lockFile       = "lock"
	serverLockFile = "server.lock"
	pidFile        = "server.pid"
	passwordFile   = "password"
	socketFile     = "redis.sock"
)

// maxSocket is how long the path of a Unix socket may be on every system, in bytes.
const maxSocket = 103

// Gateway is the Owner whose server stays as long as it runs, so that others may use it.
const Gateway = "tollgate serve"

// Options of Open and Join.
type Options struct {
	Server string       // the file of a redis-server or valkey-server; "" looks for one in PATH
	Owner  string       // who opens the folder, for whoever comes second: Gateway, or a command
	Log    *slog.Logger // nil is slog.Default
}

// waitForCommand is how long a folder is waited for that a command has: it ends soon.
const waitForCommand = 15 * time.Second

// Dir is a folder with a store. It is safe for concurrent use.
type Dir struct {
	path     string
	password string
	log      *slog.Logger
	lock     *os.File // nil where another process looks after the folder
	server   *server  // likewise
}

// InUseError is the error of opening a folder that another process has.
type InUseError struct{ Path, Owner string }

// Error says who has it.
func (e *InUseError) Error() string {
	return fmt.Sprintf("%s is in use by %s: one process at a time looks after a data folder", e.Path, cmp.Or(e.Owner, "another process"))
}

func (e *InUseError) byGateway() bool { return strings.HasPrefix(e.Owner, Gateway+" ") }

// Open makes the folder where it is missing, and starts its server, which may take a while to
// read its data: see AwaitReady. A folder that a gateway has, or a command for long, is an
// *InUseError.
func Open(path string, o Options) (*Dir, error) {
	d, err := prepare(path, o)
	if err != nil {
		return nil, err
	}
	if err := d.take(o.Owner); err != nil {
		return nil, err
	}
	if err := d.begin(o.Server); err != nil {
		_ = d.lock.Close()
		return nil, err
	}
	return d, nil
}

// begin starts the server of a folder that is locked.
func (d *Dir) begin(name string) error {
	program, err := find(name)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(d.file(passwordFile)); err == nil {
		d.password = string(old)
	}
	lock, err := d.stopOrphan()
	if err != nil {
		return err
	}
	d.password = rand.Text() + rand.Text()
	if err := d.write(passwordFile, d.password); err != nil {
		return errors.Join(err, lock.Close())
	}
	d.server = newServer(d, program)
	return d.server.start(lock)
}

// prepare makes the folder, and refuses one that is no place for data.
func prepare(path string, o Options) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{path: path, log: cmp.Or(o.Log, slog.Default())}
	if n := len(d.file(socketFile)); n > maxSocket {
		return nil, fmt.Errorf("the path of %s is too long for the socket in it, by %d bytes: use a shorter one, such as that of a symbolic link to the folder", path, n-maxSocket)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return d, d.check()
}

// check refuses a folder that is not Tollgate's, and one that others can read.
func (d *Dir) check() error {
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(d.file(lockFile)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s has files in it and is no data folder of Tollgate: name a new or an empty one", d.path)
		}
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(d.path, 0o700); err != nil {
		return fmt.Errorf("others can read %s, and that can't be changed (%w): name a folder in it, which is made", d.path, err)
	}
	return nil
}

// file is the path of a file in the folder.
func (d *Dir) file(name string) string { return filepath.Join(d.path, name) }

// write writes a file for its owner alone, in one step: others read the old one or the new one.
func (d *Dir) write(name, text string) error {
	next := d.file(name + ".new")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(next, d.file(name))
}

// Path is the absolute path of the folder.
func (d *Dir) Path() string { return d.path }

// URL is where the server is, as redisdb.Dial takes it. The password is in it.
func (d *Dir) URL() string {
	u := url.URL{Scheme: "unix", User: url.UserPassword("", d.password), Path: d.file(socketFile)}
	return u.String()
}

// Owned reports whether this process looks after the folder.
func (d *Dir) Owned() bool { return d.server != nil }

// Close stops the server, which writes its append-only file first, and lets the folder go. Of
// a folder that another process looks after it does nothing.
func (d *Dir) Close() error {
	if d.server == nil {
		return nil
	}
	d.server.close()
	if err := d.lock.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// take locks the folder and notes who has it.
func (d *Dir) take(owner string) error {
	lock, err := os.OpenFile(d.file(lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := d.awaitOwner(lock); err != nil {
		_ = lock.Close()
		return err
	}
	d.lock = lock
	if err = lock.Truncate(0); err == nil {
		_, err = fmt.Fprintf(lock, "%s (process %d)\n", cmp.Or(owner, "another program"), os.Getpid())
	}
	return err
}

// awaitOwner locks the folder as soon as no command has it.
func (d *Dir) awaitOwner(lock *os.File) error {
	for deadline := time.Now().Add(waitForCommand); ; time.Sleep(askedEvery) {
		locked, err := tryLock(lock)
		if locked || err != nil {
			return err
		}
		if e := (&InUseError{d.path, d.owner()}); e.byGateway() || time.Now().After(deadline) {
			return e
		}
	}
}

// owner is what the process that has the folder said of itself; "" while it has said nothing.
func (d *Dir) owner() string {
	text, _ := os.ReadFile(d.file(lockFile))
	return strings.TrimSpace(string(text))
}
