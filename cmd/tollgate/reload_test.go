package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys/redisdb/redistest/authority"
	"tollgate/keys/redisdb/redistest/proc"
	"tollgate/keys/store"
	"tollgate/verify"
)

// running is a gateway in a process of its own, with its log.
type running struct {
	*proc.Process
	t    *testing.T
	addr string
	log  *lockedLog
}

type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func startGateway(t *testing.T, args ...string) *running {
	t.Helper()
	g := &running{t: t, addr: freeAddr(t), log: &lockedLog{}}
	program := exec.Command(must(os.Executable()))
	program.Args = append([]string{"tollgate", "serve", "--dev", "--addr", g.addr, "--drain-delay", "1ms"}, args...)
	program.Stderr = g.log
	g.Process = must(proc.Start(program))
	t.Cleanup(g.Kill)
	g.await("msg=listening", 1)
	return g
}

// await waits until a text was logged so often.
func (g *running) await(text string, times int) {
	g.t.Helper()
	for end := time.Now().Add(30 * time.Second); g.log.count(text) < times; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatalf("%q was not logged %d times:\n%s", text, times, g.log.b.String())
		}
	}
}

// hangUp sends SIGHUP and waits until it was obeyed.
func (g *running) hangUp() {
	g.t.Helper()
	before := g.log.count("msg=reloaded")
	if err := g.Signal(syscall.SIGHUP); err != nil {
		g.t.Fatal(err)
	}
	g.await("msg=reloaded", before+1)
}

// client is one that connects anew for each request, or keeps its connection.
func client(t *testing.T, config *tls.Config, anew bool) *http.Client {
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: anew}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// Certificates and authorities are replaced again and again, while clients that keep their
// connections and clients that connect anew ask without a pause: none of them fails.
func TestRotationUnderLoadFailsNothing(t *testing.T) {
	ca := authority.New(t)
	server, own := ca.Issue(), ca.Issue()
	authorities := filepath.Join(t.TempDir(), "ca.pem")
	write := func(files ...string) {
		var all []byte
		for _, file := range files {
			all = append(all, must(os.ReadFile(file))...)
		}
		if err := os.WriteFile(authorities+".next", all, 0o600); err != nil {
			t.Error(err)
		}
		if err := os.Rename(authorities+".next", authorities); err != nil {
			t.Error(err)
		}
	}
	write(ca.File)
	g := startGateway(t, "--tls-cert", server.Certificate, "--tls-key", server.Key, "--tls-client-ca", authorities)
	var asked, serials atomic.Int64
	var seen sync.Map
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for n := range 6 {
		c := client(t, ca.Client(own), n%2 == 0)
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := c.Post("https://"+g.addr+"/v1/keys.verifyKey", "application/json", strings.NewReader(`{"key":"nobody_has_this"}`))
				if err != nil {
					t.Errorf("request %d: %v", asked.Load(), err)
					return
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != 200 || !bytes.Contains(body, []byte("NOT_FOUND")) {
					t.Errorf("request %d: %s %s, %v", asked.Load(), res.Status, body, err)
					return
				}
				asked.Add(1)
				if _, known := seen.LoadOrStore(res.TLS.PeerCertificates[0].SerialNumber.String(), true); !known {
					serials.Add(1)
				}
			}
		})
	}
	others := authority.New(t)
	for i := range 60 {
		ca.Renew(server)
		if i%2 == 0 {
			write(others.File, ca.File)
		} else {
			write(ca.File)
		}
		g.hangUp()
	}
	close(stop)
	clients.Wait()
	if asked.Load() < 100 || serials.Load() < 5 {
		t.Errorf("only %d requests saw %d certificates", asked.Load(), serials.Load())
	}
	t.Logf("%d requests, %d certificates", asked.Load(), serials.Load())
	if _, err := client(t, ca.Client(others.Issue()), true).Get("https://" + g.addr + "/livez"); err == nil {
		t.Error("a client of an authority that was taken out is let in")
	}
	if _, err := client(t, ca.Client(authority.Pair{}), true).Get("https://" + g.addr + "/livez"); err == nil {
		t.Error("a client without a certificate is let in")
	}
	if err := g.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := g.Wait(15 * time.Second); code != 0 || err != nil {
		t.Errorf("after SIGTERM: %d, %v", code, err)
	}
}

// Without a signal a new certificate is shown within seconds.
func TestACertificateIsReadWithoutASignal(t *testing.T) {
	ca := authority.New(t)
	pair := ca.Issue()
	g := startGateway(t, "--tls-cert", pair.Certificate, "--tls-key", pair.Key)
	ca.Renew(pair)
	g.await(`msg="certificate read"`, 1)
	res, err := client(t, ca.Client(authority.Pair{}), true).Get("https://" + g.addr + "/readyz")
	if err != nil || res.TLS.PeerCertificates[0].SerialNumber.Int64() != 3 || res.ProtoMajor != 1 {
		t.Errorf("%v, %v", res, err)
	}
}

// A reload applies what is right, keeps what is wrong as it was, and says what waits for a
// restart.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	config, list, keyset := filepath.Join(dir, "tollgate.yaml"), filepath.Join(dir, "policies.yaml"), filepath.Join(dir, "keyset.json")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings := func(level, proxies, more string) {
		write(config, fmt.Sprintf("dev: true\nlog-level: %s\ntrusted-proxies: [%s]\nforward-auth-policies: %s\n%s", level, proxies, list, more))
	}
	policy := "policies: {%s: {rootKey: root_secret, apiId: '*'}}"
	write(list, fmt.Sprintf(policy, "one"))
	write(keyset, string(must(store.NewKeyset())))
	settings("info", "192.0.2.0/24", "")
	_, ctx, _, err := parse([]string{"serve", "--config", config, "--sealing-keyset", keyset})
	if err != nil {
		t.Fatal(err)
	}
	read, _, resolver, err := parse([]string{"serve", "--config", config, "--sealing-keyset", keyset})
	if err != nil {
		t.Fatal(err)
	}
	f := &read.Serve
	f.again = invocation{[]string{"serve", "--config", config, "--sealing-keyset", keyset}, resolver.Values(ctx)}.again
	g, log := idleGateway(t, f)
	peer, proxy := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	is := func(what, wantLevel, wantPolicy string, trusted netip.Addr, said ...string) {
		t.Helper()
		log.b.Reset()
		g.reload(t.Context())
		if got := strings.ToLower(f.level.Level().String()); got != wantLevel {
			t.Errorf("%s: the level is %s", what, got)
		}
		if len(g.policies.All()) != 1 || g.policies.All()[wantPolicy] == nil {
			t.Errorf("%s: the policies are %v", what, g.policies.All())
		}
		for _, one := range []netip.Addr{peer, proxy} {
			if g.addresses.Trusts(one) != (one == trusted) {
				t.Errorf("%s: %s is trusted: %v", what, one, one != trusted)
			}
		}
		for _, text := range said {
			if log.count(text) != 1 {
				t.Errorf("%s: %q is not in the log:\n%s", what, text, log.b.String())
			}
		}
		if len(said) == 0 && log.count("ERROR")+log.count("WARN") > 0 {
			t.Errorf("%s: the log has\n%s", what, log.b.String())
		}
	}
	is("nothing new", "info", "one", peer)
	settings("debug", "198.51.100.0/24", "max-conns: 7\nroot-key: root_hunter2_is_a_secret\n")
	write(list, fmt.Sprintf(policy, "two"))
	write(keyset, string(must(store.RotateKeyset(must(os.ReadFile(keyset))))))
	is("all new", "debug", "two", proxy, "setting=--max-conns", "setting=--root-key", "setting=--sealing-keyset")
	if log.count("hunter2") > 0 {
		t.Error("the log has a secret")
	}
	settings("warn", "0.0.0.0/0", "")
	is("proxies that can't be", "warn", "two", proxy, "setting=--trusted-proxies")
	settings("info", "192.0.2.0/24", "")
	write(list, "policies: {three: {}}")
	write(keyset, "{}")
	is("policies and keyset that can't be", "info", "two", peer, "setting=--forward-auth-policies", "setting=--sealing-keyset")
	write(config, "log-level: loud\n")
	write(list, fmt.Sprintf(policy, "four"))
	is("a file that can't be", "info", "four", peer, "setting=--config", "setting=--sealing-keyset")
}

// idleGateway has what a reload needs, and serves nobody.
func idleGateway(t *testing.T, f *serveCommand) (*gateway, *lockedLog) {
	t.Helper()
	rule, err := f.rule()
	if err == nil {
		err = f.validate()
	}
	if err != nil {
		t.Fatal(err)
	}
	opened := must(f.newStore())
	f.logger()
	log := &lockedLog{}
	g := &gateway{
		flags: f, store: opened, log: slog.New(slog.NewTextHandler(log, nil)), verifier: verify.New(opened, verify.Options{}),
		addresses: &web.Addresses{}, policies: policies.New(f.policies),
	}
	g.addresses.Replace(rule)
	return g, log
}
