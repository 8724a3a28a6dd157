package proxies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest/proc"
)

// target is what clients ask the application for.
const target = "/protected"

// A site is a proxy that is running.
type site struct {
	*testing.T
	proxy    *proxy
	question question
	dir      string
	log      string // where all logs are
	addr     string
	env      []string // further variables
	relays   []*relay // one before each gateway
	client   *http.Client
}

var sites atomic.Int64

// open starts a proxy that asks all gateways, each through a relay of its own.
func open(t *testing.T, p *proxy, q question, env ...string) *site {
	t.Helper()
	s := &site{T: t, proxy: p, question: q, dir: t.TempDir(), env: env}
	s.log = filepath.Join(world.Dir, fmt.Sprintf("proxy-%s-%d.log", p.name, sites.Add(1)))
	for _, g := range world.gateways {
		s.relays = append(s.relays, newRelay(t, g.Addr))
	}
	s.client = &http.Client{
		Timeout:       40 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(s.client.CloseIdleConnections)
	if err := proc.Serve(s.start); err != nil {
		t.Fatalf("%s does not start: %v", p.name, err)
	}
	return s
}

// start starts the proxy. It ends with the test; its log stays.
func (s *site) start(addr string) error {
	s.addr = addr
	_ = os.RemoveAll(filepath.Join(s.dir, "nginx")) // an earlier attempt's
	cmd, err := s.proxy.command(s)
	if err != nil {
		return err
	}
	process, err := proc.StartLogged(cmd, s.log)
	if err != nil {
		return err
	}
	s.Cleanup(func() {
		if err := process.Stop(); err != nil {
			s.Error(err)
		}
		if s.Failed() {
			s.Logf("%s ends with:\n%s", s.log, process.LogTail())
		}
	})
	return process.AwaitReady(s.ready)
}

// ready is an error until the proxy listens and has read all of its configuration.
func (s *site) ready() error {
	a, err := s.try("GET", target, nil)
	if err == nil && a.status == http.StatusNotFound {
		err = errors.New("the application's route is not there yet")
	}
	return err
}

// tollgate lists the addresses that the proxy asks.
func (s *site) tollgate() (all []string) {
	for _, r := range s.relays {
		all = append(all, r.addr)
	}
	return all
}

func (s *site) application() string { return strings.TrimPrefix(world.application.URL, "http://") }

// environment is this process's, with what the recipes read from it.
func (s *site) environment() []string {
	env := append(append(os.Environ(), "TOLLGATE_QUESTION="+s.question.text()), s.env...)
	if s.question.rootKey != nil {
		env = append(env, "TOLLGATE_PROXY_ROOT_KEY="+s.question.rootKey())
	}
	return env
}

// An answer is what a client got through a proxy.
type answer struct {
	status int
	header http.Header
	body   []byte
	seen   *seen // what the application saw; nil where it was not asked
}

// String is for messages.
func (a *answer) String() string { return fmt.Sprintf("%d %v %.300s", a.status, a.header, a.body) }

// get sends a request without a body. Headers are pairs of a name, as it is to be sent, and
// a value.
func (s *site) get(path string, headers ...string) *answer {
	s.Helper()
	return s.send("GET", path, nil, headers...)
}

func (s *site) send(method, path string, body io.Reader, headers ...string) *answer {
	s.Helper()
	a, err := s.try(method, path, body, headers...)
	if err != nil {
		s.Fatal(err)
	}
	return a
}

func (s *site) try(method, path string, body io.Reader, headers ...string) (*answer, error) {
	r, err := http.NewRequest(method, "http://"+s.addr+path, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	res, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(res.Body); err != nil || res.Header.Get("X-Application") == "" {
		return a, err
	}
	a.seen = &seen{}
	return a, json.Unmarshal(a.body, a.seen)
}

// use sends a request with a key.
func (s *site) use(k key, headers ...string) *answer {
	s.Helper()
	return s.get(target, append([]string{"Authorization", "Bearer " + k.secret}, headers...)...)
}

// admitted checks that the application was asked, and returns what it saw. The key is not
// in it.
func (s *site) admitted(k key, a *answer) *seen {
	s.Helper()
	if a.status != http.StatusOK || a.seen == nil {
		s.Fatalf("want the application's answer, got %s", a)
	}
	if bytes.Contains(a.body, []byte(k.secret)) {
		s.Errorf("the application sees the key: %v", a.seen.Header)
	}
	return a.seen
}

// refused checks that a request was not let through, and why.
func (s *site) refused(a *answer, status int, code string) {
	s.Helper()
	if a.status != status || a.seen != nil || a.header.Get("X-Tollgate-Code") != code {
		s.Errorf("want %d %s, got %s", status, code, a)
	}
}

// untouched checks that what is done asks the application nothing.
func (s *site) untouched(do func()) {
	s.Helper()
	before := world.application.requests.Load()
	do()
	if n := world.application.requests.Load() - before; n != 0 {
		s.Errorf("%d requests reached the application", n)
	}
}
