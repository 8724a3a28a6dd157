package certificate

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/keys/redisdb/redistest/authority"
)

// handshake returns the serial number that a server with this config shows, and its error.
func handshake(t *testing.T, server, client *tls.Config) (int64, error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ended := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			defer conn.Close()
			secure := tls.Server(conn, server)
			if err = secure.Handshake(); err == nil {
				_, err = secure.Write([]byte("x")) // with it the ticket for a second handshake
			}
		}
		ended <- err
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client = client.Clone()
	client.ServerName = "127.0.0.1"
	secure := tls.Client(conn, client)
	defer func() {
		if server.GetConfigForClient != nil && secure.ConnectionState().DidResume {
			t.Error("a session was resumed")
		}
	}()
	if err := secure.Handshake(); err != nil {
		<-ended
		return 0, err
	}
	_, _ = io.ReadFull(secure, make([]byte, 1))
	return secure.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), <-ended
}

// What the files hold is shown from the next handshake on, as a whole or not at all.
func TestReload(t *testing.T) {
	ca := authority.New(t)
	pair, other := ca.Issue(), ca.Issue()
	source, err := Load(Files{Certificate: pair.Certificate, Key: pair.Key})
	if err != nil {
		t.Fatal(err)
	}
	shows := func(what string, want int64) {
		t.Helper()
		if got, err := handshake(t, source.Config("http/1.1"), ca.Client(authority.Pair{})); got != want || err != nil {
			t.Errorf("%s: certificate %d, %v; want %d", what, got, err, want)
		}
		if got := source.Leaf().SerialNumber.Int64(); got != want {
			t.Errorf("%s: the leaf is %d", what, got)
		}
	}
	reload := func(what string, wantChanged bool, wantErr string) {
		t.Helper()
		changed, err := source.Reload()
		if changed != wantChanged || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%s: %v, %v", what, changed, err)
		}
	}
	shows("first", 2)
	reload("the same", false, "")
	if err := os.WriteFile(pair.Key, read(t, other.Key), 0o600); err != nil {
		t.Fatal(err)
	}
	reload("another key", false, "private key does not match")
	shows("another key", 2)
	if err := os.WriteFile(pair.Certificate, read(t, other.Certificate)[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	reload("half a certificate", false, "failed to find")
	if err := os.Remove(pair.Certificate); err != nil {
		t.Fatal(err)
	}
	reload("no certificate", false, "no such file")
	shows("no certificate", 2)
	if err := os.WriteFile(pair.Certificate, read(t, other.Certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	reload("a pair", true, "")
	shows("a pair", 3)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A client needs a certificate of the authorities that the file has now, also one that was let
// in before and would resume its session.
func TestClientAuthorities(t *testing.T) {
	ca, others := authority.New(t), authority.New(t)
	pair, friend, stranger := ca.Issue(), ca.Issue(), others.Issue()
	list := ca.File
	source, err := Load(Files{Certificate: pair.Certificate, Key: pair.Key, ClientCA: list})
	if err != nil {
		t.Fatal(err)
	}
	let := func(what string, config *tls.Config, want bool) {
		t.Helper()
		if _, err := handshake(t, source.Config("http/1.1"), config); (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	resuming := ca.Client(friend)
	resuming.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	asStranger := ca.Client(stranger)
	let("a client of the authority", resuming, true)
	let("again", resuming, true)
	let("without a certificate", ca.Client(authority.Pair{}), false)
	let("a client of another authority", asStranger, false)
	if err := os.WriteFile(list, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := source.Reload(); changed || err == nil {
		t.Errorf("a file without authorities: %v, %v", changed, err)
	}
	let("while the file is wrong", resuming, true)
	if err := os.WriteFile(list, read(t, others.File), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := source.Reload(); !changed || err != nil {
		t.Errorf("other authorities: %v, %v", changed, err)
	}
	let("of the authority before", resuming, false)
	let("of the authority now", asStranger, true)
}

// Nothing older than TLS 1.2, and no protocol but those of the server.
func TestProtocols(t *testing.T) {
	ca := authority.New(t)
	pair := ca.Issue()
	for _, files := range []Files{{pair.Certificate, pair.Key, ""}, {pair.Certificate, pair.Key, ca.File}} {
		source, err := Load(files)
		if err != nil {
			t.Fatal(err)
		}
		old, h2, both := ca.Client(pair), ca.Client(pair), ca.Client(pair)
		old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		h2.NextProtos, both.NextProtos = []string{"h2"}, []string{"h2", "http/1.1"}
		for name, row := range map[string]struct {
			client *tls.Config
			want   bool
		}{"TLS 1.1": {old, false}, "HTTP/2 alone": {h2, false}, "either": {both, true}} {
			if _, err := handshake(t, source.Config("http/1.1"), row.client); (err == nil) != row.want {
				t.Errorf("%s, client CA %q: %v", name, files.ClientCA, err)
			}
		}
	}
}

// Watch says each change, and each reason once.
func TestWatch(t *testing.T) {
	ca := authority.New(t)
	pair := ca.Issue()
	whole := read(t, pair.Certificate)
	synctest.Test(t, func(t *testing.T) {
		source, err := Load(Files{Certificate: pair.Certificate, Key: pair.Key})
		if err != nil {
			t.Fatal(err)
		}
		var said []error
		ctx, cancel := context.WithCancel(t.Context())
		go source.Watch(ctx, Every, func(err error) { said = append(said, err) })
		after := func(want int) {
			t.Helper()
			time.Sleep(10 * Every)
			synctest.Wait()
			if len(said) != want {
				t.Fatalf("said %v, want %d", said, want)
			}
		}
		after(0)
		_ = os.WriteFile(pair.Certificate, whole[:50], 0o600)
		after(1)
		_ = os.WriteFile(pair.Certificate, whole, 0o600)
		after(1)
		ca.Renew(pair)
		after(2)
		if said[0] == nil || said[1] != nil {
			t.Errorf("said %v", said)
		}
		cancel()
	})
}
