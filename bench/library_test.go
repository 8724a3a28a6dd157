package bench

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/bench/rig"
	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// BenchmarkLibrary is the package verify without HTTP. Beside it, on the same Redis
// and in slices that alternate, redis_rate's GCRA decides a limit and nothing else;
// x-redis_rate is the ratio of the throughputs.
func BenchmarkLibrary(b *testing.B) {
	b.Run("redis", func(b *testing.B) {
		server := redistest.Start(b)
		client, err := redisdb.Dial(server.URL(), redisdb.Options{NoDurableWrites: true})
		if err != nil {
			b.Fatal(err)
		}
		library(b, client, server.Addr(), processID(b, server), *connections)
	})
	// It runs scripts a hundred times slower: a full line would be refused for its age.
	b.Run("miniredis", func(b *testing.B) {
		address := redistest.Mini(b).Addr()
		library(b, redisdb.DialInProcess(address), address, 0, 4)
	})
}

// processID is Redis's own word.
func processID(b *testing.B, server *redistest.Server) (pid int) {
	b.Helper()
	info, _ := server.Do("INFO", "server").(string)
	for line := range strings.SplitSeq(info, "\r\n") {
		if id, ok := strings.CutPrefix(line, "process_id:"); ok {
			if _, err := fmt.Sscan(id, &pid); err != nil {
				b.Fatal(err)
			}
		}
	}
	return pid
}

// peer is a limiter as its users run it: on a client with a pool.
type peer struct {
	limiter *redis_rate.Limiter
	redis   int // the process; 0 for none
}

// library measures through the client, with the peer on a pool of its own.
func library(b *testing.B, client redis.UniversalClient, address string, pid, many int) {
	b.Cleanup(func() { _ = client.Close() })
	pool := redis.NewClient(&redis.Options{Addr: address})
	b.Cleanup(func() { _ = pool.Close() })
	p := peer{redis_rate.NewLimiter(pool), pid}
	store := store.Open(client, store.Options{})
	verifier := verify.New(store, verify.Options{})
	for _, kind := range []string{"1limit", "credits+1limit"} {
		secrets := mint(b, store, kind)
		for _, callers := range []int{many, 1} {
			b.Run(fmt.Sprintf("%s/callers=%d", kind, callers), func(b *testing.B) { p.beside(b, verifier, secrets, callers) })
		}
	}
}

// mint makes keys with a limit, and with credits too if their kind says so.
func mint(b *testing.B, store *store.Store, kind string) (secrets []keys.Secret) {
	b.Helper()
	workspace, err := store.Workspace(b.Context(), keys.DefaultWorkspace)
	if err != nil {
		b.Fatal(err)
	}
	operator := keys.Operator(workspace)
	api, err := store.CreateAPI(b.Context(), operator.As(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	draft := keys.KeyDraft{APIID: api.ID, Limits: []ratelimit.Limit{{Name: "one", Limit: rig.Plenty, Duration: rig.Window, AutoApply: true}}}
	if strings.HasPrefix(kind, "credits") {
		plenty := int64(rig.Plenty)
		draft.Remaining = &plenty
	}
	for range spread() {
		made, err := store.CreateKey(b.Context(), operator.As(), draft)
		if err != nil {
			b.Fatal(err)
		}
		secrets = append(secrets, made.Secret)
	}
	return secrets
}

// beside measures the verifier and the peer in turns.
func (p peer) beside(b *testing.B, v *verify.Verifier, secrets []keys.Secret, callers int) {
	ctx := context.Background()
	own := func(i int) error {
		outcome, err := v.Verify(ctx, &verify.Request{Secret: secrets[i%len(secrets)], Cost: 1})
		if err == nil && outcome.Code != verify.Valid {
			err = fmt.Errorf("want VALID, got %s", outcome.Code)
		}
		return err
	}
	limit := redis_rate.PerMinute(rig.Plenty)
	other := func(i int) error {
		result, err := p.limiter.Allow(ctx, fmt.Sprint("bench", i%len(secrets)), limit)
		if err == nil && result.Allowed != 1 {
			err = fmt.Errorf("redis_rate refused")
		}
		return err
	}
	var took [2][]float64
	var spent [2]time.Duration
	rounds := min(max(b.N/2000, 1), 10)
	b.ResetTimer()
	for i := range rounds {
		n := b.N*(i+1)/rounds - b.N*i/rounds
		for side, do := range []func(int) error{own, other} {
			before := p.cpu(b)
			took[side] = append(took[side], together(b, n, callers, do).Seconds())
			spent[side] += p.cpu(b) - before
			b.StopTimer()
		}
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(median(took[0], took[1]), "x-redis_rate")
	if p.redis != 0 {
		b.ReportMetric(float64(spent[0].Nanoseconds())/1e3/float64(b.N), "redis-µs/op")
		b.ReportMetric(float64(spent[1].Nanoseconds())/1e3/float64(b.N), "redis_rate-redis-µs/op")
	}
}

func (p peer) cpu(b *testing.B) time.Duration {
	b.Helper()
	if p.redis == 0 {
		return 0
	}
	used, err := rig.CPU(p.redis)
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// together does n things from some callers at once.
func together(b *testing.B, n, callers int, do func(i int) error) time.Duration {
	var next atomic.Int64
	var done sync.WaitGroup
	start := time.Now()
	for range callers {
		done.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil && next.Swap(int64(n)) < int64(n) {
					b.Error(err) // the first ends it for all
				}
			}
		})
	}
	done.Wait()
	return time.Since(start)
}
