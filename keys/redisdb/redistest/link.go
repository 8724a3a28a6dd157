package redistest

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest/proc"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Link is a proxy in front of a server that misbehaves when told to. Every
// fault applies to the connections that exist and to later ones, until
// Restore. Faults add up.
type Link struct {
	tb    testing.TB
	proxy *toxiproxy.Proxy
}

// Proxy opens a link to addr. It lets everything through until told otherwise.
func Proxy(tb testing.TB, addr string) *Link {
	tb.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &Link{tb: tb, proxy: toxiproxy.NewProxy(server, tb.Name(), proc.Addr(0), addr)}
	l.start()
	tb.Cleanup(l.proxy.Stop)
	return l
}

func (l *Link) start() {
	l.tb.Helper()
	if err := l.proxy.Start(); err != nil && err != toxiproxy.ErrProxyAlreadyStarted {
		l.tb.Fatalf("redistest: proxy: %v", err)
	}
}

// Addr is the link's own host:port, the one to connect to.
func (l *Link) Addr() string { return l.proxy.Listen }

// LoseReplies lets requests through and swallows their replies; connections
// stay open. To the client this is a server that executes and never answers.
func (l *Link) LoseReplies() { l.add("timeout", "downstream", map[string]any{"timeout": 0}) }

// LoseRequests swallows requests: a server that never hears the client.
func (l *Link) LoseRequests() { l.add("timeout", "upstream", map[string]any{"timeout": 0}) }

// CutReplies lets requests through and closes a connection when its next reply
// arrives, before the first byte of it.
func (l *Link) CutReplies() { l.CutAfter(0) }

// CutAfter closes each connection when n more bytes of replies have passed, in
// the middle of a reply if that is where they end. A new connection's greeting
// (HELLO) counts.
func (l *Link) CutAfter(n int) { l.add("limit_data", "downstream", map[string]any{"bytes": n}) }

// SetLatency delays every reply by d, in whole milliseconds.
func (l *Link) SetLatency(d time.Duration) {
	l.add("latency", "downstream", map[string]any{"latency": d.Milliseconds()})
}

// Refuse closes every connection and refuses new ones: a server that is down.
func (l *Link) Refuse() { l.proxy.Stop() }

// Restore ends every fault. Connections that lost bytes are closed, since a
// client would otherwise take the next reply for the lost one.
func (l *Link) Restore() {
	l.tb.Helper()
	l.proxy.Toxics.ResetToxics(ctx)
	l.start()
}

// add installs a fault; one of the same type and direction is replaced.
func (l *Link) add(kind, stream string, attributes map[string]any) {
	l.tb.Helper()
	_ = l.proxy.Toxics.RemoveToxic(ctx, kind+"_"+stream) // it need not exist
	spec, err := json.Marshal(map[string]any{"type": kind, "stream": stream, "attributes": attributes})
	if err == nil {
		_, err = l.proxy.Toxics.AddToxicJson(bytes.NewReader(spec))
	}
	if err != nil {
		l.tb.Fatalf("redistest: proxy: %v", err)
	}
}
