package health

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest/authority"
)

func TestURLOf(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080/readyz", ":8080": "http://127.0.0.1:8080/readyz", "0.0.0.0:80": "http://127.0.0.1:80/readyz",
		"[::]:8080": "http://[::1]:8080/readyz", "gateway:1": "http://gateway:1/readyz", "8080": "",
	} {
		if got, err := URLOf(addr, false); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v", addr, got, err)
		}
	}
	if got, _ := URLOf("10.0.0.1:8443", true); got != "https://10.0.0.1:8443/readyz" {
		t.Errorf("over TLS: %s", got)
	}
}

// A gateway is ready where it answers 200: itself, in time, and with a certificate that is
// believed, or on loopback.
func TestAsk(t *testing.T) {
	status := http.StatusOK
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
	server := httptest.NewServer(handler)
	defer server.Close()
	ca := authority.New(t)
	pair := ca.Issue()
	secure := httptest.NewUnstartedServer(handler)
	secure.TLS = &tls.Config{Certificates: ca.Client(pair).Certificates, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Client(authority.Pair{}).RootCAs}
	secure.StartTLS()
	defer secure.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	local := strings.Replace(secure.URL, "127.0.0.1", "localhost", 1)
	is := func(what string, c Check, ready bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if what == "silent" {
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		}
		defer cancel()
		if err := c.Ask(ctx); (err == nil) != ready {
			t.Errorf("%s: %v", what, err)
		}
	}
	is("ready", Check{URL: server.URL}, true)
	is("loopback", Check{URL: secure.URL, Certificate: pair.Certificate, Key: pair.Key}, true)
	is("own CA", Check{local, ca.File, pair.Certificate, pair.Key}, true)
	is("not believed", Check{URL: local, Certificate: pair.Certificate, Key: pair.Key}, false)
	is("no certificate", Check{URL: secure.URL}, false)
	is("silent", Check{URL: "http://" + silent.Addr().String()}, false)
	for _, status = range []int{http.StatusServiceUnavailable, http.StatusFound, http.StatusNotFound} {
		is(http.StatusText(status), Check{URL: server.URL}, false)
	}
}
