package importing

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

var keyCount = flag.Int("keys", 50_000, "keys in the full store")

// patience is how long the store may take on a busy machine.
const patience = 10 * time.Second

// most is how much longer anything may take in a full store than in an empty one.
const most = 1.3

// shelf is an API in a store, and some keys of it.
type shelf struct {
	t      *testing.T
	store  *store.Store
	gate   *gate
	redis  redis.UniversalClient
	url    string
	access keys.Access
	api    string
	some   []keys.Secret // whose keys are spread over all
	ids    []string
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	g, address := newGate(t)
	client, err := redisdb.Dial("redis://"+address, redisdb.Options{Timeout: patience, NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	s := &shelf{t: t, store: store.Open(client, store.Options{Timeout: patience}), gate: g, redis: client, url: "redis://" + address}
	ws, err := s.store.Workspace(t.Context(), keys.DefaultWorkspace)
	s.must(err)
	s.access = keys.Operator(ws).As()
	api, err := s.store.CreateAPI(t.Context(), s.access, "shelf")
	s.must(err)
	s.api = api.ID
	return s
}

func (s *shelf) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// sample is how many keys are verified and how many pages are read in a measurement.
const sample = 1000

// fill imports n keys with a balance, a limit and an owner, and keeps some secrets.
func (s *shelf) fill(n int) {
	s.t.Helper()
	balance := int64(1 << 40)
	for from := 0; from < n; from += 100 {
		drafts := make([]keys.ImportDraft, min(100, n-from))
		for i := range drafts {
			secret := keys.NewSecret(keys.NewID("sk"))
			drafts[i] = keys.ImportDraft{Secret: secret, Start: secret.Head(), KeyDraft: keys.KeyDraft{
				APIID: s.api, Name: "key " + strconv.Itoa(from+i), Remaining: &balance,
				Limits: []ratelimit.Limit{{Name: "default", Limit: 1 << 40, Duration: 60_000, AutoApply: true}},
			}}
		}
		ids, err := s.store.ImportKeys(s.t.Context(), s.access, drafts)
		s.must(err)
		if step := max(1, n/sample); from%(100*max(1, step/100)) == 0 {
			for i := 0; i < len(drafts) && len(s.some) < sample; i += max(1, min(step, 100)) {
				s.some, s.ids = append(s.some, drafts[i].Secret), append(s.ids, ids[i])
			}
		}
	}
}

// sort puts the sampled ids into the order of the list.
func (s *shelf) sort() { slices.Sort(s.ids) }

func (s *shelf) memory() int64 {
	s.t.Helper()
	for line := range strings.SplitSeq(s.redis.Info(s.t.Context(), "memory").Val(), "\r\n") {
		if text, ok := strings.CutPrefix(line, "used_memory:"); ok {
			n, err := strconv.ParseInt(text, 10, 64)
			s.must(err)
			return n
		}
	}
	s.t.Fatal("Redis does not tell its memory")
	return 0
}

// list is the time of a page of a hundred keys over HTTP, from somewhere in the list.
func (s *shelf) list(i int) time.Duration {
	s.t.Helper()
	path := "/v1/apis.listKeys?apiId=" + s.api + "&cursor=" + s.ids[i%(len(s.ids)*9/10)]
	begin := time.Now()
	body := s.gate.get(path)
	took := time.Since(begin)
	if n := bytes.Count(body, []byte(`"createdAt"`)); n != store.MaxPage {
		s.t.Fatalf("%d keys of a page", n)
	}
	return took
}

// verifying is a gateway that verifies the shelf's keys.
func (s *shelf) verifying() func(i int) time.Duration {
	gateway := verify.New(s.store, verify.Options{})
	return func(i int) time.Duration {
		s.t.Helper()
		r := &verify.Request{Secret: s.some[i%len(s.some)], Cost: 1}
		begin := time.Now()
		o, err := gateway.Verify(context.Background(), r)
		took := time.Since(begin)
		s.must(err)
		if o.Code != verify.Valid {
			s.t.Fatalf("%s", o.Code)
		}
		return took
	}
}

// beside measures two things in turns, so that whatever else the machine does slows
// both, and gives their medians.
func beside(n int, one, other func(i int) time.Duration) (a, b time.Duration) {
	var as, bs []time.Duration
	for i := range n {
		as, bs = append(as, one(i)), append(bs, other(i))
	}
	return median(as), median(bs)
}

func median[T cmp.Ordered](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

// A list of a page and a verification, cold and warm, take as long among a million
// keys as among a few hundred.
func TestManyKeysChangeNothing(t *testing.T) {
	n := *keyCount
	few, many := newShelf(t), newShelf(t)
	few.fill(2 * sample)
	empty := many.memory()
	few.sort()
	begin := time.Now()
	many.fill(n)
	took := time.Since(begin)
	many.sort()
	t.Logf("%d keys imported in %.1f s: %.0f a second, %.0f bytes of Redis each",
		n, took.Seconds(), float64(n)/took.Seconds(), float64(many.memory()-empty)/float64(n))

	check := func(what string, n int, full, small func(int) time.Duration) {
		t.Helper()
		// A stall of the machine can fall on one side: it does not fall there three times.
		var ratios []float64
		for range 3 {
			a, b := beside(n, full, small)
			ratios = append(ratios, float64(a)/float64(b))
			t.Logf("%s: %v among %d keys, %v among %d: ratio %.2f", what, a, *keyCount, b, 2*sample, ratios[len(ratios)-1])
		}
		if got := slices.Min(ratios); got > most {
			t.Errorf("%s takes %.2f times as long in a full store", what, got)
		}
	}
	check("a page of 100", 200, many.list, few.list)
	cold := func(s *shelf) func(int) time.Duration {
		return func(i int) time.Duration { return s.verifying()(i) }
	}
	check("a cold verification", 300, cold(many), cold(few))
	check("a warm verification", 2*sample, many.verifying(), few.verifying())
}
