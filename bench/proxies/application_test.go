package proxies

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/coder/websocket"
)

// An application is what the proxies protect. It answers with what it was sent.
type application struct {
	*httptest.Server
	requests atomic.Int64
}

// seen is a request as the application got it.
type seen struct {
	Method, URI, Host string
	Header            http.Header
	Length            int
	Sum               [sha256.Size]byte
}

func newApplication() *application {
	a := &application{}
	a.Server = httptest.NewServer(a)
	return a
}

// ServeHTTP echoes a request, or the messages of a WebSocket.
func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.requests.Add(1)
	if r.Header.Get("Upgrade") == "websocket" {
		echo(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("X-Application", "echo")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.RequestURI, r.Host, r.Header, len(body), sha256.Sum256(body)})
}

// echo sends back each message, the first one after the identity.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	_ = conn.Write(r.Context(), websocket.MessageText, []byte(r.Header.Get("X-Key-Id")))
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}
