package main

import (
	"log/slog"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"
)

// What a master of a Cluster has lost is 503, never "not found", from the first answer on:
// nobody has looked at the settings of the servers yet.
func TestLostKeysAreNeverNotFound(t *testing.T) {
	cluster := redistest.Cluster(t, 3, 0)
	const patient = 5 * time.Second // the machine may be busy
	client := must(redisdb.Dial(cluster.URL(), redisdb.Options{Timeout: patient, NoDurableWrites: true}))
	t.Cleanup(func() { _ = client.Close() })
	store, ctx := store.Open(client, store.Options{Timeout: patient}), t.Context()
	if err := store.Mark(ctx); err != nil {
		t.Fatal(err)
	}
	ws := must(store.Workspace(ctx, keys.DefaultWorkspace))
	access := keys.Operator(ws).As()
	_, root, err := store.CreateRootKey(ctx, ws, keys.RootDraft{Grants: []string{keys.Everything}})
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for range 30 {
		api := must(store.CreateAPI(ctx, access, "lost"))
		made = append(made, must(store.CreateKey(ctx, access, keys.KeyDraft{APIID: api.ID})).ID)
	}

	g := &gateway{store: store, flags: &serveCommand{}, log: slog.New(slog.DiscardHandler)}
	g.opened.Store(true)
	served := newServer(t, g)
	get := func(id string) int {
		t.Helper()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, served+"/v1/keys.getKey?keyId="+id, nil)
		req.Header.Set("Authorization", "Bearer "+root.Reveal())
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := get(nobodys(made[0])); got != http.StatusNotFound {
		t.Fatalf("a key that never was: %d", got)
	}
	record, _ := layout.RecordName(root.Digest())
	needed := []*redistest.Server{cluster.Owner(record), cluster.Owner("{" + ws + "}")}
	other := slices.IndexFunc(cluster.Nodes, func(n *redistest.Server) bool { return !slices.Contains(needed, n) })
	cluster.Nodes[other].Do("FLUSHALL")
	there, lost := 0, 0
	for _, id := range append(made, nobodys(made[0])) {
		switch status := get(id); status {
		case http.StatusOK:
			there++
		case http.StatusServiceUnavailable:
			lost++
		default:
			t.Errorf("a key of a master that has lost all: %d", status)
		}
	}
	if there == 0 || lost == 0 {
		t.Errorf("%d keys there, %d lost", there, lost)
	}
}

// newServer serves Unkey's APIs as a gateway does, and returns its address.
func newServer(t *testing.T, g *gateway) string {
	t.Helper()
	served := web.New(g.config(), serveUnkey(g.store, verify.New(g.store, verify.Options{})))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = served.Serve(listener) }()
	t.Cleanup(func() { _ = served.Shutdown(t.Context()) })
	return "http://" + listener.Addr().String()
}
