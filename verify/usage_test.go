package verify_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/usage"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// counted is a gateway that counts usage.
type counted struct {
	keystest.Gateway
	usage *usage.Counter
}

func newCounted(t *testing.T, c redis.UniversalClient) counted {
	store := store.Open(c, store.Options{Timeout: 10 * time.Second})
	counter := usage.NewCounter(usage.NewReader(store, 0))
	t.Cleanup(func() { _ = counter.Close(context.Background()) })
	return counted{keystest.Gateway{Store: store, Verifier: verify.New(store, verify.Options{Observer: verify.CountUsage(counter, nil)})}, counter}
}

// event is a verification as the model remembers it.
type event struct {
	key, external, tags string
	code                verify.Code
	hour                int64
}

var outcomes = map[verify.Code]usage.Outcome{
	verify.Valid: usage.Valid, verify.RateLimited: usage.RateLimited, verify.UsageExceeded: usage.Exceeded,
	verify.Disabled: usage.Disabled, verify.Forbidden: usage.Forbidden, verify.Expired: usage.Expired,
	verify.InsufficientPermissions: usage.Insufficient,
}

// traffic verifies at random through every gateway and gives what came of it.
func traffic(t *testing.T, w *world, gateways []counted, n int) []event {
	drafts := []keys.KeyDraft{
		{}, {ExternalID: "ann"}, {ExternalID: "ann", Remaining: keystest.Uses(7)}, {ExternalID: "bob", Limits: []ratelimit.Limit{limit("l", 9)}},
		{Disabled: true}, {ExternalID: "bob", Expires: time.Now().Add(-time.Hour).UnixMilli()},
	}
	made := make([]keys.NewKey, len(drafts))
	for i, d := range drafts {
		made[i] = w.Create(d)
	}
	sets := [][]string{nil, nil, {"a"}, {"b"}, {"b", "a"}, {"a", "a", "c"}, {"path=/x:y", "ü,\x00"}}
	var mu sync.Mutex
	var events []event
	var all sync.WaitGroup
	for g, gateway := range gateways {
		r := rand.New(rand.NewPCG(1, uint64(g)))
		all.Go(func() {
			for range n {
				i, tags := r.IntN(len(made)), sets[r.IntN(len(sets))]
				ask := verify.Request{Secret: made[i].Secret, Cost: 1, Tags: tags}
				if r.IntN(8) == 0 {
					ask.APIID = "api_other"
				}
				if r.IntN(8) == 0 {
					ask.Permissions = verify.Permission("p")
				}
				o, err := gateway.Verify(context.Background(), &ask)
				if err != nil {
					continue // nobody decided, so it is not counted
				}
				sorted := slices.Compact(slices.Sorted(slices.Values(tags)))
				mu.Lock()
				events = append(events, event{made[i].ID, drafts[i].ExternalID, strings.Join(sorted, "|"), o.Code, o.Now / 3600_000})
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return events
}

// expect sums the events that fit, by a text that says which row each is in; none for "".
func expect(events []event, groups func(event) []string) map[string]usage.Counts {
	sums := map[string]usage.Counts{}
	for _, e := range events {
		for _, g := range groups(e) {
			counts := sums[g]
			counts[strings.IndexByte("VLUDFEP", byte(outcomes[e.code]))]++
			sums[g] = counts
		}
	}
	return sums
}

func split(tags string) []string {
	if tags == "" {
		return nil
	}
	return strings.Split(tags, "|")
}

// However traffic goes through however many gateways, every question is answered as
// a model that saw each verification answers it.
func TestUsageEqualsModel(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		gateways := []counted{newCounted(t, c), newCounted(t, c), newCounted(t, c)}
		events := traffic(t, w, gateways, 150)
		for _, g := range gateways {
			w.Must(g.usage.Close(t.Context()))
			if n := g.usage.Dropped(); n != 0 {
				t.Fatalf("%d were dropped", n)
			}
		}
		some := []string{events[0].key, events[1].key, "key_unknown"}
		for name, row := range map[string]struct {
			q      usage.Query
			groups func(event) []string
		}{
			"everything": {usage.Query{}, func(event) []string { return []string{"0///"} }},
			"by key":     {usage.Query{Group: usage.Groups{Key: true}}, func(e event) []string { return []string{"0/" + e.key + "//"} }},
			"by identity": {usage.Query{Group: usage.Groups{Identity: true}}, func(e event) []string {
				return []string{"0//" + e.external + "/"}
			}},
			"by key and identity": {usage.Query{Group: usage.Groups{Key: true, Identity: true}}, func(e event) []string {
				return []string{"0/" + e.key + "/" + e.external + "/"}
			}},
			"by tags": {usage.Query{Group: usage.Groups{Tags: true}}, func(e event) []string { return []string{"0///" + e.tags} }},
			"by tag": {usage.Query{Group: usage.Groups{Tag: true}}, func(e event) (all []string) {
				for _, tag := range split(e.tags) {
					all = append(all, "0///"+tag)
				}
				return all
			}},
			"by hour": {usage.Query{Group: usage.Groups{Span: usage.ByHour}}, func(e event) []string {
				return []string{fmt.Sprint(e.hour*3600_000) + "///"}
			}},
			"some keys by tags": {usage.Query{KeyIDs: some, Group: usage.Groups{Tags: true}}, func(e event) []string {
				if !slices.Contains(some, e.key) {
					return nil
				}
				return []string{"0///" + e.tags}
			}},
			"an identity's": {usage.Query{ExternalID: "ann"}, func(e event) []string {
				if e.external != "ann" {
					return nil
				}
				return []string{"0///"}
			}},
			"an identity's by key": {usage.Query{ExternalID: "bob", Group: usage.Groups{Key: true}}, func(e event) []string {
				if e.external != "bob" {
					return nil
				}
				return []string{"0/" + e.key + "//"}
			}},
			"with both tags, by identity": {usage.Query{Tags: []string{"b", "a"}, Group: usage.Groups{Identity: true}}, func(e event) []string {
				if e.tags != "a|b" {
					return nil
				}
				return []string{"0//" + e.external + "/"}
			}},
			"nobody's": {usage.Query{ExternalID: "nobody", Group: usage.Groups{Key: true}}, func(event) []string { return nil }},
		} {
			row.q.APIID, row.q.Start, row.q.End = w.APIID, time.Now().Add(-3*time.Hour).UnixMilli(), time.Now().Add(time.Hour).UnixMilli()
			got, err := usage.NewReader(w.Store, 0).Query(t.Context(), w.Access, row.q)
			w.Must(err)
			want, seen := expect(events, row.groups), map[string]usage.Counts{}
			for _, r := range got {
				external := ""
				if r.Identity != nil {
					external = r.Identity.ExternalID
				}
				if r.Counts.Total() > 0 {
					seen[fmt.Sprintf("%d/%s/%s/%s", r.Time, r.KeyID, external, r.Tag+strings.Join(r.Tags, "|"))] = r.Counts
				}
			}
			if fmt.Sprint(seen) != fmt.Sprint(want) {
				t.Errorf("%s:\n got %v\nwant %v", name, seen, want)
			}
		}
		start, end := time.Now().Add(-24*time.Hour).UnixMilli(), time.Now().UnixMilli()+1
		mine, err := usage.NewReader(w.Store, 0).KeyUsage(t.Context(), w.Access, usage.Owner{ExternalID: "ann"}, &start, &end)
		w.Must(err)
		var sum int64
		for _, r := range mine {
			sum += r.Counts.Total()
		}
		anns := expect(events, func(e event) []string { return []string{e.external} })["ann"]
		if sum != anns.Total() {
			t.Errorf("an owner's keys: %d, want %d", sum, anns.Total())
		}
	})
}

// total asks for every count of the world's API.
func (w *world) total() int64 {
	w.TB.Helper()
	now, err := w.Now(w.TB.Context())
	w.Must(err)
	rows, err := usage.NewReader(w.Store, 0).Query(w.TB.Context(), w.Access, usage.Query{APIID: w.APIID, Start: max(0, now-3600_000), End: now + 1})
	w.Must(err)
	return rows[0].Counts.Total()
}

// A gateway that is killed loses the counts of less than a second: what is older
// is there although nobody closed it.
func TestUsageIsSentWithinASecond(t *testing.T) {
	c := redistest.Empty(t)
	w := newWorld(t, c)
	g := newCounted(t, c)
	made := w.Create(keys.KeyDraft{})
	for range 20 {
		_, err := g.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: 1})
		w.Must(err)
	}
	for deadline := time.Now().Add(time.Second); w.total() != 20; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after a second %d of 20 are counted", w.total())
		}
	}
}

// Where replies are lost nothing is counted twice, and what may be missing shows as
// dropped. While the store does not answer nothing is sent and nothing lost.
func TestUsageIsNeverCountedTwice(t *testing.T) {
	server := redistest.Start(t)
	link := redistest.Proxy(t, server.Addr())
	behind, err := redisdb.Dial("redis://"+link.Addr(), redisdb.Options{NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, server.Client())
	store := store.Open(behind, store.Options{})
	counter := usage.NewCounter(usage.NewReader(store, 0))
	made := w.Create(keys.KeyDraft{ExternalID: "ann"})
	details, err := w.Key(t.Context(), w.Access, made.ID, false)
	w.Must(err)
	now, err := w.Now(t.Context())
	w.Must(err)
	sent := int64(0)
	count := func(n int) {
		for range n {
			counter.Count(details.Key, usage.Valid, []string{"a"}, now)
			sent++
		}
	}
	count(10)
	w.Must(counter.Flush(t.Context()))
	server.Freeze()
	count(10)
	if counter.Flush(t.Context()) == nil {
		t.Error("a frozen store took counts")
	}
	server.Thaw()
	for deadline := time.Now().Add(5 * time.Second); counter.Flush(t.Context()) != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not heal")
		}
	}
	if got := w.total(); got != sent || counter.Dropped() != 0 {
		t.Fatalf("%d of %d are counted after the store was frozen, %d dropped", got, sent, counter.Dropped())
	}
	for round := range 20 {
		count(5)
		if round%4 == 1 {
			time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, link.LoseReplies)
		}
		_ = counter.Flush(t.Context())
		if got := w.total(); got > sent {
			t.Fatalf("%d are counted of %d", got, sent)
		}
		if round%4 == 2 {
			link.Restore()
		}
	}
	link.Restore()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w.Must(counter.Close(ctx))
	if got := w.total(); got > sent || got+counter.Dropped() < sent {
		t.Fatalf("%d are counted and %d dropped of %d", got, counter.Dropped(), sent)
	}
}

// usageNames lists what usage has in a store.
func usageNames(t *testing.T, c redis.UniversalClient) []string {
	t.Helper()
	return redistest.Names(t, c, "tg:u:*")
}

// What is older than the retention is gone from Redis, and not before. When a key
// was last used stays, and ends with the key.
func TestUsageIsForgotten(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		clock.SetClock(time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC))
		w := newWorld(t, c)
		store := store.Open(c, store.Options{Timeout: 10 * time.Second})
		reader := usage.NewReader(store, 48*time.Hour)
		counter := usage.NewCounter(reader)
		g := counted{keystest.Gateway{Store: store, Verifier: verify.New(store, verify.Options{Observer: verify.CountUsage(counter, nil)})}, counter}
		made := w.Create(keys.KeyDraft{})
		o, err := g.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: 1, Tags: []string{"a"}})
		w.Must(err)
		w.Must(counter.Flush(t.Context()))
		clock.Advance(47 * time.Hour)
		if n := len(usageNames(t, c)); n != 6 {
			t.Fatalf("within the retention there are %q", usageNames(t, c))
		}
		rows, err := reader.Query(t.Context(), w.Access, usage.Query{APIID: w.APIID, Start: o.Now, End: o.Now + 1})
		w.Must(err)
		if rows[0].Counts.Total() != 1 {
			t.Fatalf("within the retention %+v", rows)
		}
		clock.Advance(26 * time.Hour)
		if all := usageNames(t, c); len(all) != 0 {
			t.Fatalf("after the retention there are %q", all)
		}
		used, err := w.LastUsed(t.Context(), o.Key)
		w.Must(err)
		if used[0] != o.Now {
			t.Fatalf("last used at %d, want %d", used[0], o.Now)
		}
		w.Must(w.DeleteKey(t.Context(), w.Access, made.ID, false))
		counter.Count(o.Key, usage.Valid, nil, o.Now) // a gateway that had not sent it yet
		w.Must(counter.Close(t.Context()))
		if used, err = w.LastUsed(t.Context(), o.Key); err != nil || used[0] != 0 {
			t.Fatalf("a deleted key was last used at %d, %v", used[0], err)
		}
	})
}

// However many tags there are, what a key and its API take in Redis is bounded; what
// has no room is counted under one name that says so, and nothing is lost.
func TestUsageTagsFold(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		counter := usage.NewCounter(usage.NewReader(w.Store, 0))
		made := w.Create(keys.KeyDraft{})
		details, err := w.Key(t.Context(), w.Access, made.ID, false)
		w.Must(err)
		now, err := w.Now(t.Context())
		w.Must(err)
		hour := now / 3600_000 % 24
		for i := range 3000 {
			counter.Count(details.Key, usage.Valid, []string{"common", fmt.Sprintf("user %d", i)}, now)
		}
		counter.Count(details.Key, usage.Disabled, nil, now)
		w.Must(counter.Close(t.Context()))
		q := usage.Query{APIID: w.APIID, Start: now - 3600_000, End: now + 3600_000, Group: usage.Groups{Tag: true}}
		rows, err := usage.NewReader(w.Store, 0).Query(t.Context(), w.Access, q)
		w.Must(err)
		sums := map[string]int64{}
		for _, r := range rows {
			sums[r.Tag] += r.Counts.Total()
		}
		if sums[usage.OtherTag] == 0 || len(sums) > 1001 {
			t.Errorf("%d different tags are counted, %d times another", len(sums), sums[usage.OtherTag])
		}
		q.Group = usage.Groups{}
		if rows, err = usage.NewReader(w.Store, 0).Query(t.Context(), w.Access, q); err != nil || rows[0].Counts.Total() != 3001 {
			t.Errorf("in all %+v, %v", rows, err)
		}
		for _, name := range usageNames(t, c) {
			if kind, _ := c.Type(t.Context(), name).Result(); kind != "hash" {
				continue
			}
			n, err := c.HLen(t.Context(), name).Result()
			w.Must(err)
			bound := 64*(hour+1) + 2
			switch {
			case strings.HasSuffix(name, ":t"):
				bound = 1000
			case strings.Contains(name, "}"+w.APIID+":") && !strings.Contains(name, "::"):
				bound = 512*(hour+1) + 2
			}
			if n > bound {
				t.Errorf("%s has %d fields, more than %d", name, n, bound)
			}
		}
	})
}

// While the store is gone a gateway keeps counts up to a bound, and says what it drops.
func TestUsageWaitsWithinABound(t *testing.T) {
	client, err := redisdb.Dial("redis://127.0.0.1:1", redisdb.Options{NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	counter := usage.NewCounter(usage.NewReader(store.Open(client, store.Options{}), 0))
	const n = 200_000
	for i := range n {
		k := &keys.Key{ID: fmt.Sprintf("key_%d", i), APIID: "api", Digest: keys.NewSecret(fmt.Sprint(i)).Digest()}
		counter.Count(k, usage.Valid, nil, 1_800_000_000_000)
	}
	if dropped := counter.Dropped(); dropped < n-1<<17 || dropped > n-100_000 {
		t.Errorf("%d of %d were dropped", dropped, n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if counter.Close(ctx) == nil {
		t.Error("a store that is gone took counts")
	}
}

// Counting a verification without tags allocates nothing.
func TestUsageCountsWithoutAllocation(t *testing.T) {
	client, err := redisdb.Dial("redis://127.0.0.1:1", redisdb.Options{NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	counter := usage.NewCounter(usage.NewReader(store.Open(client, store.Options{}), 0))
	k := &keys.Key{ID: "key_1", APIID: "api", IdentityID: "id_1"}
	counter.Count(k, usage.Valid, nil, 1_800_000_000_000)
	if n := testing.AllocsPerRun(1000, func() { counter.Count(k, usage.Valid, nil, 1_800_000_000_000) }); n > 0.1 {
		t.Errorf("%v allocations", n)
	}
}

// What is wrong with a question is said, and one that would take too much refused.
func TestUsageQuestionsAreBounded(t *testing.T) {
	w := newWorld(t, redistest.Empty(t))
	now := time.Now().UnixMilli()
	many := make([]string, 1001)
	for name, q := range map[string]usage.Query{
		"start":   {Start: now, End: now},
		"groupBy": {Start: 0, End: now, Group: usage.Groups{Tag: true, Tags: true}},
		"keyId":   {Start: 0, End: now, KeyIDs: many},
		"tag":     {Start: 0, End: now, Tags: many},
		"start:":  {Start: 0, End: now, Group: usage.Groups{Span: usage.ByHour}},
	} {
		q.APIID = w.APIID
		_, err := usage.NewReader(w.Store, 0).Query(t.Context(), w.Access, q)
		if e := keys.AsError(err); e == nil || e.Kind != keys.KindInvalid || e.Field != strings.TrimSuffix(name, ":") {
			t.Errorf("%s: %v", name, err)
		}
	}
	counter := usage.NewCounter(usage.NewReader(w.Store, 0))
	for i := range 10_001 {
		counter.Count(&keys.Key{ID: fmt.Sprintf("key_%d", i), APIID: w.APIID, Digest: keys.NewSecret(fmt.Sprint(i)).Digest()}, usage.Valid, nil, now)
	}
	w.Must(counter.Close(t.Context()))
	_, err := usage.NewReader(w.Store, 0).Query(t.Context(), w.Access, usage.Query{APIID: w.APIID, Start: now - 1, End: now + 1, Group: usage.Groups{Key: true}})
	if e := keys.AsError(err); e == nil || e.Kind != keys.KindInvalid {
		t.Errorf("10,001 keys: %v", err)
	}
	series, err := usage.NewReader(w.Store, 0).Query(t.Context(), w.Access, usage.Query{APIID: w.APIID, Start: now - 48*3600_000, End: now + 1, Group: usage.Groups{Span: usage.ByHour}})
	w.Must(err)
	if len(series) < 49 || len(series) > 50 || !slices.IsSortedFunc(series, func(a, b usage.Row) int { return int(a.Time - b.Time) }) {
		t.Errorf("a series of 48 hours has %d points", len(series))
	}
}
