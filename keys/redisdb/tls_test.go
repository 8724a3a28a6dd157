package redisdb

import (
	"os"
	"strings"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/redisdb/redistest/authority"
)

// Over TLS with a client's certificate every form of Redis is written and read, with a
// password of its own for sentinels. Without the certificate, with that of another authority,
// or without the servers' authority, nothing is.
func TestRedisOverTLS(t *testing.T) {
	ca, others := authority.New(t), authority.New(t)
	own, foreign := ca.Issue(), others.Issue()
	with := []redistest.Option{redistest.WithTLS(ca), redistest.WithPassword("secret"), redistest.WithSentinelPassword("watch@it&")}
	for name, url := range map[string]string{
		"one":      redistest.Start(t, with...).URL(),
		"cluster":  redistest.Cluster(t, 3, 1, with...).URL(),
		"sentinel": redistest.Sentinel(t, with...).URL(),
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.HasPrefix(url, "rediss") {
				t.Fatalf("the URL is %s", MaskURL(url))
			}
			for what, row := range map[string]struct {
				url   string
				files TLSFiles
				works bool
			}{
				"as it should be":         {url, TLSFiles{ca.File, own.Certificate, own.Key}, true},
				"without the servers'":    {url, TLSFiles{"", own.Certificate, own.Key}, false},
				"without a certificate":   {url, TLSFiles{CA: ca.File}, false},
				"with a foreign one":      {url, TLSFiles{ca.File, foreign.Certificate, foreign.Key}, false},
				"in plaintext":            {strings.Replace(url, "rediss", "redis", 1), TLSFiles{}, false},
				"with no password at all": {strings.Replace(strings.Replace(url, ":secret@", "", 1), "sentinel_password=", "client_name=", 1), TLSFiles{ca.File, own.Certificate, own.Key}, false},
			} {
				if err := writes(t, row.url, row.files); (err == nil) != row.works {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// writes writes and reads something that is on each master of a Cluster of three.
func writes(t *testing.T, url string, files TLSFiles) error {
	t.Helper()
	client, err := Dial(url, Options{Timeout: 5 * time.Second, TLS: files})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, name := range []string{"{a}", "{b}", "{c}"} {
		if err := client.Set(t.Context(), name, name, 0).Err(); err != nil {
			return err
		}
		if got, err := client.Get(t.Context(), name).Result(); err != nil || got != name {
			return err
		}
	}
	return nil
}

// A certificate of the client that is replaced is the one of the next connection.
func TestClientCertificateIsReadAgain(t *testing.T) {
	ca, others := authority.New(t), authority.New(t)
	pair, good := others.Issue(), ca.Issue()
	client, err := Dial(redistest.Start(t, redistest.WithTLS(ca)).URL(), Options{Timeout: 5 * time.Second, TLS: TLSFiles{ca.File, pair.Certificate, pair.Key}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a foreign certificate is taken")
	}
	for from, to := range map[string]string{good.Certificate: pair.Certificate, good.Key: pair.Key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("behind a new certificate: %v", err)
	}
}

// Files that can't be are refused by Dial.
func TestDialRefusesTLSFiles(t *testing.T) {
	ca := authority.New(t)
	pair := ca.Issue()
	for want, row := range map[string]struct {
		url   string
		files TLSFiles
	}{
		"are for rediss":       {"redis://a:1", TLSFiles{CA: ca.File}},
		"go together":          {"rediss://a:1", TLSFiles{Certificate: pair.Certificate}},
		"holds no certificate": {"rediss+cluster://a:1", TLSFiles{CA: pair.Key}},
		"no such file":         {"rediss+sentinel://a:1/m", TLSFiles{CA: ca.File + "x"}},
		"tls: ":                {"rediss://a:1", TLSFiles{Certificate: pair.Key, Key: pair.Key}},
	} {
		if client, err := Dial(row.url, Options{TLS: row.files}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
			if err == nil {
				_ = client.Close()
			}
		}
	}
}
