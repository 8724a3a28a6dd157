package verify

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"

	"github.com/redis/go-redis/v9"
)

// BenchmarkScript is Redis's own time in verify.lua for each verification, by how
// many travel together; "hget" is its time in an HGET. The figures are Redis's
// own, from INFO commandstats.
func BenchmarkScript(b *testing.B) {
	client := redistest.Start(b).Client()
	store := store.Open(client, store.Options{})
	ws, err := store.Workspace(b.Context(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	access := keys.Operator(ws).As()
	api, err := store.CreateAPI(b.Context(), access, "bench")
	if err != nil {
		b.Fatal(err)
	}
	plenty := int64(keys.MaxCount / 2)
	limit := func(name string) ratelimit.Limit {
		return ratelimit.Limit{Name: name, Limit: plenty, Duration: 3600_000, AutoApply: true}
	}
	for _, row := range []struct {
		name  string
		draft keys.KeyDraft
	}{
		{"plain", keys.KeyDraft{}},
		{"credits", keys.KeyDraft{Remaining: &plenty}},
		{"credits+1limit", keys.KeyDraft{Remaining: &plenty, Limits: []ratelimit.Limit{limit("a")}}},
		{"credits+3limits", keys.KeyDraft{Remaining: &plenty, Limits: []ratelimit.Limit{limit("a"), limit("b"), limit("c")}}},
	} {
		row.draft.APIID = api.ID
		for _, size := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/%d", row.name, size), func(b *testing.B) {
				scriptOf(b, store, access, row.draft, size)
			})
		}
	}
	b.Run("hget", func(b *testing.B) {
		client.HSet(b.Context(), "h", "f", "v")
		reset(b, client)
		for b.Loop() {
			client.HGet(b.Context(), "h", "f")
		}
		b.ReportMetric(spent(b, client, "hget")/float64(b.N), "redis-µs/op")
	})
}

// scriptOf sends batches of so many keys of a kind.
func scriptOf(b *testing.B, store *store.Store, access keys.Access, draft keys.KeyDraft, size int) {
	v := New(store, Options{})
	travelling := newBatch()
	travelling.begin(store.Marker(""))
	for range size {
		made, err := store.CreateKey(b.Context(), access, draft)
		if err != nil {
			b.Fatal(err)
		}
		travelling.add(planned(b, v, made.Secret))
	}
	names := travelling.appendTexts()
	reset(b, store.Redis())
	for b.Loop() {
		if _, err := verifyScript.RunReserved(context.Background(), store.Redis(), names, travelling.args, new(redisdb.Pending)); err != nil {
			b.Fatal(err)
		}
	}
	each := float64(b.N * size)
	b.ReportMetric(spent(b, store.Redis(), "evalsha")/each, "redis-µs/verification")
}

// planned is the call of a warm verification.
func planned(b *testing.B, v *Verifier, secret keys.Secret) *call {
	b.Helper()
	r := &Request{Secret: secret, Cost: 1}
	known, err := v.known(b.Context(), secret.Digest(), nil)
	if err != nil {
		b.Fatal(err)
	}
	t, err := v.snapshot(b.Context(), known)
	if err != nil {
		b.Fatal(err)
	}
	return &v.plan(r, nil, known, t).call
}

func reset(b *testing.B, client redis.UniversalClient) {
	b.Helper()
	if err := client.ConfigResetStat(b.Context()).Err(); err != nil {
		b.Fatal(err)
	}
}

// spent is Redis's time in a command since the last reset, in µs.
func spent(b *testing.B, client redis.UniversalClient, command string) float64 {
	b.Helper()
	stats := client.Info(b.Context(), "commandstats").Val()
	_, line, _ := strings.Cut(stats, "cmdstat_"+command+":")
	_, usec, _ := strings.Cut(line, "usec=")
	usec, _, _ = strings.Cut(usec, ",")
	n, err := strconv.ParseFloat(usec, 64)
	if err != nil {
		b.Fatalf("no time of %s in %q", command, stats)
	}
	return n
}
