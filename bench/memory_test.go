package bench

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"tollgate/bench/rig"

	"github.com/redis/go-redis/v9"
)

var keyCount = flag.Int("keys", 100_000, "keys of BenchmarkMemory")

// BenchmarkMemory creates keys with credits and a limit and reports what each takes
// of Redis, in all and by its parts:
//
//	redis-B/key   what used_memory has grown by, Redis's own tables included
//	record-B/key  the key itself, with its name
//	index-B/key   what leads from its id to it
//	list-B/key    its place in the list of its API
//	other-B/key   anything else there is
//
// However large b.N, it makes -keys of them, once.
func BenchmarkMemory(b *testing.B) {
	n := *keyCount
	if smoke() {
		n = 1000
	}
	w, err := rig.NewWorld()
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := w.End(); err != nil {
			b.Error(err)
		}
	}()
	b.Run(strconv.Itoa(n), func(b *testing.B) {
		if b.N > 1 {
			report(b, b.N) // measured already
			return
		}
		measured.grown, measured.parts = grow(b, w, n)
		report(b, n)
	})
}

// measured is kept between the calls by which the benchmark's length is found.
var measured struct {
	grown float64
	parts map[string]float64
}

func report(b *testing.B, n int) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(measured.grown, "redis-B/key")
	for part, size := range measured.parts {
		b.ReportMetric(size, part+"-B/key")
	}
}

// grow makes n keys and returns the bytes that each takes, in all and by part.
func grow(b *testing.B, w *rig.World, n int) (float64, map[string]float64) {
	b.Helper()
	client := redis.NewClient(&redis.Options{Addr: w.Gateway.RedisAddr})
	defer client.Close()
	if _, err := w.Gateway.Must("/v1/keys.createKey", rig.Object{"apiId": w.APIID}); err != nil {
		b.Fatal(err) // the scripts are loaded now
	}
	before := used(b, client)
	create(b, w, n)
	grown := used(b, client) - before
	parts, err := sizes(b.Context(), client, n)
	if err != nil {
		b.Fatal(err)
	}
	return float64(grown) / float64(n), parts
}

func create(b *testing.B, w *rig.World, n int) {
	b.Helper()
	body, err := json.Marshal(rig.With(rig.LimitedV1(), rig.Object{"apiId": w.APIID, "prefix": "bench"}))
	if err != nil {
		b.Fatal(err)
	}
	conns, err := rig.DialMany(w.Gateway.Addr(), *connections)
	if err != nil {
		b.Fatal(err)
	}
	request := rig.NewRequest("/v1/keys.createKey", w.Gateway.RootKey, body)
	for left := n; left > 0; left -= 10_000 {
		if _, err := rig.Hammer(conns, []rig.Request{request}, min(left, 10_000), rig.Want{Status: http.StatusOK, Text: `"keyId"`}); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range conns {
		_ = c.Close()
	}
}

// used is Redis's memory without what its clients' buffers take.
func used(b *testing.B, client *redis.Client) int64 {
	b.Helper()
	text, err := client.Info(b.Context(), "memory").Result()
	if err != nil {
		b.Fatal(err)
	}
	values := map[string]int64{}
	for line := range strings.SplitSeq(text, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		values[name], _ = strconv.ParseInt(value, 10, 64)
	}
	return values["used_memory"] - values["mem_clients_normal"]
}

// partOf sorts a name in Redis: package keys spells them.
func partOf(name string) string {
	for prefix, part := range map[string]string{"tg:k:": "record", "tg:i:": "index", "tg:l:": "list"} {
		if strings.HasPrefix(name, prefix) {
			return part
		}
	}
	return "other"
}

// sizes adds up all there is, a thousand names at a time.
func sizes(ctx context.Context, client *redis.Client, n int) (map[string]float64, error) {
	parts := map[string]float64{}
	var cursor uint64
	for {
		names, next, err := client.Scan(ctx, cursor, "*", 1000).Result()
		if err != nil {
			return nil, err
		}
		pipeline := client.Pipeline()
		for _, name := range names {
			pipeline.MemoryUsage(ctx, name, 0) // 0 looks at each element of a list
		}
		replies, err := pipeline.Exec(ctx)
		if err != nil {
			return nil, fmt.Errorf("MEMORY USAGE: %w", err)
		}
		for i, reply := range replies {
			parts[partOf(names[i])] += float64(reply.(*redis.IntCmd).Val()) / float64(n)
		}
		if cursor = next; cursor == 0 {
			return parts, nil
		}
	}
}
