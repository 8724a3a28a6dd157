package keystest

import (
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// Timeout is how long a kit's store and verifier wait for Redis: a busy machine is not what is
// tested.
const Timeout = 10 * time.Second

// Gateway is a store and a verifier, as one process of the program has them.
type Gateway struct {
	*store.Store
	*verify.Verifier
}

// NewGateway returns a gateway on a Redis.
func NewGateway(c redis.UniversalClient) Gateway {
	return GatewayOf(store.Open(c, store.Options{Timeout: Timeout}))
}

// GatewayOf returns a gateway on a store.
func GatewayOf(s *store.Store) Gateway {
	return Gateway{s, verify.New(s, verify.Options{Timeout: Timeout})}
}

// World is a workspace with an API, and a gateway to it. Its methods fail the test on any error.
type World struct {
	Gateway
	TB     testing.TB
	Access keys.Access // an operator's, who may do everything
	APIID  string
}

// New returns the workspace of that name, which is made where there is none, with an API of its
// own.
func New(tb testing.TB, c redis.UniversalClient, workspace string) *World {
	tb.Helper()
	w := &World{Gateway: NewGateway(c), TB: tb}
	id, err := w.Workspace(tb.Context(), workspace)
	w.Must(err)
	w.Access = keys.Operator(id).As()
	api, err := w.CreateAPI(tb.Context(), w.Access, "test")
	w.Must(err)
	w.APIID = api.ID
	return w
}

// On returns the same workspace through another gateway, which may be on another Redis.
func (w *World) On(c redis.UniversalClient) *World {
	return w.OnStore(store.Open(c, store.Options{Timeout: Timeout}))
}

// OnStore is On with a given store.
func (w *World) OnStore(s *store.Store) *World {
	other := *w
	other.Gateway = GatewayOf(s)
	return &other
}

// In returns the same workspace with another API.
func (w *World) In(apiID string) *World {
	other := *w
	other.APIID = apiID
	return &other
}

// Must fails the test on an error.
func (w *World) Must(err error) {
	w.TB.Helper()
	if err != nil {
		w.TB.Fatal(err)
	}
}

// Create makes a key of the API.
func (w *World) Create(d keys.KeyDraft) keys.NewKey {
	w.TB.Helper()
	d.APIID = w.APIID
	made, err := w.CreateKey(w.TB.Context(), w.Access, d)
	w.Must(err)
	return made
}

// Read returns a key as getKey shows it.
func (w *World) Read(id string) *store.Details {
	w.TB.Helper()
	d, err := w.Key(w.TB.Context(), w.Access, id, false)
	w.Must(err)
	return d
}

// Left returns what a key has left, as a read shows it.
func (w *World) Left(id string) keys.State {
	w.TB.Helper()
	return w.Read(id).State
}

// Check verifies.
func (w *World) Check(r verify.Request) *verify.Outcome {
	w.TB.Helper()
	o, err := w.Verify(w.TB.Context(), &r)
	w.Must(err)
	return o
}

// Uses returns a balance.
func Uses(n int64) *int64 { return &n }

// NoKind is the kind of what is no error.
const NoKind keys.Kind = 255

// Kind returns the kind of an error, and NoKind of nil.
func Kind(err error) keys.Kind {
	if err == nil {
		return NoKind
	}
	return keys.AsError(err).Kind
}

// Limits returns the limits of something that has one, of so many milliseconds.
func Limits(ms int64) []ratelimit.Limit {
	return []ratelimit.Limit{{Name: "limit", Limit: 5, Duration: ms, AutoApply: true}}
}
