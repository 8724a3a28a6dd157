// Package stack starts what a conformance suite talks to: one redis-server and any number of
// gateways on it, each a real process on a free port of the loopback interface.
//
//	s, err := stack.Start(stack.Options{Gateways: 3})
//	defer s.Stop()
//	http.Post(s.Gateways[0].URL+"/v1/keys.verifyKey", …)
//
// Every process it starts is stopped by Stop, and dies with this process should that be killed.
// Search looks for the plaintexts of keys in what all of it has written.
//
// The package knows nothing of the program but its command line, so that the suites test the
// binary and not its insides.
package stack

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tollgate/keys/redisdb/redistest/proc"

	"github.com/redis/go-redis/v9"
)

// Options say what to start. The zero value is one gateway, built from the enclosing module.
type Options struct {
	Gateways int      // how many gateways share the Redis; 0 means 1
	Binary   string   // a gateway that is built already; empty is $TOLLGATE_BINARY, and without that builds ./cmd/tollgate
	Dir      string   // where data and logs go, kept afterwards; empty is a temporary directory, removed
	Args     []string // further arguments for every gateway, after the address and the Redis
	Env      []string // further environment of every gateway, "NAME=value"
	Password string   // that the Redis asks for; empty is none
	Store    Store    // that runs already, in the place of a Redis of the stack's own
}

// A Store is a Redis, a Cluster or what sentinels watch.
type Store interface {
	URL() string                    // in Tollgate's form, with the password
	Do(args ...string) (any, error) // on every server that takes writes; lists are joined
}

// A Stack is a running Redis with its gateways.
type Stack struct {
	Dir       string
	RootKey   string // plaintext; every gateway was started with it
	RedisAddr string
	Redis     *proc.Process
	Gateways  []*Gateway

	opts      Options
	client    *redis.Client
	temporary bool
}

// A Gateway is one running tollgate process.
type Gateway struct {
	*proc.Process
	URL     string // without a slash at its end
	Addr    string // host:port
	LogPath string // both of its output streams
}

// Start starts everything and returns when every gateway says it is ready. When it fails,
// nothing is left running.
func Start(opts Options) (*Stack, error) {
	s := &Stack{Dir: opts.Dir, RootKey: newRootKey(), opts: opts}
	if err := s.makeDir(); err != nil {
		return nil, err
	}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Stack) makeDir() (err error) {
	if s.Dir != "" {
		return os.MkdirAll(s.Dir, 0o755)
	}
	s.temporary = true
	s.Dir, err = os.MkdirTemp("", "tollgate-stack-")
	return err
}

func (s *Stack) start() (err error) {
	if s.opts.Binary == "" {
		s.opts.Binary = os.Getenv("TOLLGATE_BINARY")
	}
	if s.opts.Binary == "" {
		if s.opts.Binary, err = Build(s.Dir, "./cmd/tollgate"); err != nil {
			return err
		}
	}
	if s.opts.Store == nil {
		if err := s.startRedis(); err != nil {
			return err
		}
	}
	for range max(s.opts.Gateways, 1) {
		if _, err := s.StartGateway(); err != nil {
			return err
		}
	}
	return nil
}

// StartGateway adds one more gateway to the stack, with arguments behind those of all, and waits
// until it is ready.
func (s *Stack) StartGateway(args ...string) (*Gateway, error) {
	var g *Gateway
	err := proc.Serve(func(addr string) (err error) {
		g, err = s.startGatewayAt(addr, args)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the gateway does not start: %w", err)
	}
	s.Gateways = append(s.Gateways, g)
	return g, nil
}

func (s *Stack) startGatewayAt(addr string, more []string) (*Gateway, error) {
	log := fmt.Sprintf("gateway-%d.log", len(s.Gateways)+1)
	args := append([]string{"serve", "--addr", addr, "--redis", s.RedisURL()}, s.opts.Args...)
	env := append(slices.Clone(s.opts.Env), "TOLLGATE_ROOT_KEY="+s.RootKey)
	p, err := s.startProcess(log, env, s.opts.Binary, append(args, more...)...)
	if err != nil {
		return nil, err
	}
	g := &Gateway{Process: p, URL: "http://" + addr, Addr: addr, LogPath: filepath.Join(s.Dir, log)}
	return g, p.AwaitReady(func() error { return checkReady(g.URL + "/readyz") })
}

// startProcess starts a program in the stack's directory, with its output in a file there. Of
// the environment it gets what does not configure the program: a suite must not depend on the
// shell it is started from.
func (s *Stack) startProcess(log string, env []string, name string, args ...string) (*proc.Process, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = s.Dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "TOLLGATE_") }), env...)
	return proc.StartLogged(cmd, filepath.Join(s.Dir, log))
}

func checkReady(url string) error {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, res.Status)
	}
	return nil
}

// Binary returns the program that the gateways run, for its other commands.
func (s *Stack) Binary() string { return s.opts.Binary }

// Password returns what the Redis asks for; empty for nothing.
func (s *Stack) Password() string { return s.opts.Password }

// URLs lists the base URLs of the gateways in the order of their start.
func (s *Stack) URLs() []string {
	urls := make([]string, len(s.Gateways))
	for i, g := range s.Gateways {
		urls[i] = g.URL
	}
	return urls
}

// PIDs lists every process of the stack, Redis first.
func (s *Stack) PIDs() []int {
	var pids []int
	if s.Redis != nil {
		pids = append(pids, s.Redis.PID())
	}
	for _, g := range s.Gateways {
		pids = append(pids, g.PID())
	}
	return pids
}

// Stop ends every process by its id, waits for it, and removes the directory if it was a
// temporary one. It may be called again.
func (s *Stack) Stop() error {
	var errs []error
	for _, g := range s.Gateways {
		errs = append(errs, g.Stop())
	}
	if s.Redis != nil {
		errs = append(errs, s.Redis.Stop())
	}
	s.closeClient()
	if s.temporary {
		errs = append(errs, os.RemoveAll(s.Dir))
	}
	return errors.Join(errs...)
}

// newRootKey is the first root key: 64 hexadecimal digits with a prefix that is easy to search for.
func newRootKey() string {
	var b [32]byte
	rand.Read(b[:])
	return "tollgate_" + hex.EncodeToString(b[:])
}
