package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/metrics"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/usage"
	"tollgate/verify"
)

// The law: what callers choose can make only bounded state, per key and per workspace,
// with an end; it ends with its owner. chosen lists every member of a request that is a
// text, or holds texts, and those numbers that become part of a name, with what it can
// make in Redis, in this process or among the metrics, and what bounds that. TestBounds
// makes what a caller without a root key can make, and what anybody's text can make of
// an application that hands it in.
var chosen = map[string]string{
	// Without a root key: of the key that is verified.
	"key":           "digested: an unknown one makes nothing; of a key it is looked up by",
	"ratelimits":    "names of counters: 50 in a request, keys.MaxKeyCounters of a key, Options.MaxCounters of a workspace; end with their key",
	"duration":      "part of a counter's name and its life: keys.MaxDuration, with a root key in v1 keys.MaxLongDuration",
	"tags":          "numbers and fields of usage: 10 of 128 characters, 1,000 different of an API in a day, then (other); end by --usage-retention",
	"permissions":   "compared only in a verification; of keys and roles references, at most 1,000; made as definitions by whoever may",
	"authorization": "compared only",
	"permission":    "looked up or compared only",
	"apiId":         "looked up or compared only",
	"migrationId":   "looked up only",
	"ratelimit":     "one limit in the key's record",
	"remaining":     "a number in the key's record",
	"credits":       "numbers in the key's record",
	"refill":        "numbers in the key's record",
	"interval":      "one of two",

	// Texts that an application may hand in from its users, with a root key.
	"identifier":    "a counter: Options.MaxCounters of a workspace, ends by itself; an override: 10,000 in a namespace's record",
	"namespace":     "a namespace: keys.MaxNamespaces of a workspace",
	"namespaceName": "looked up; with a right made, as namespace",
	"namespaceId":   "looked up only",
	"externalId":    "an identity of a workspace, of 512 bytes at most, until it is deleted: one at most for each request with a right to make it",
	"ownerId":       "as externalId",
	"peer":          "a field of the setup key's redemptions, 256 bytes, and a claim: as many as the key has uses; they end with the key",

	// In one record each, which a request with a root key makes and another deletes.
	"name": "4,096 bytes of a record, or a unique name of 512", "meta": "64 KiB of a record",
	"description": "the size of a request, of a record", "environment": "256 characters of a record",
	"prefix": "16 characters of a record", "start": "4,096 bytes of a record", "slug": "512 bytes of a definition and its unique name",
	"roles": "at most 1,000 references of a key", "keys": "records, at most as many as a request holds",
	"auto_groups": "references of a setup key", "hash": "a digest", "plaintext": "digested, and sealed in the record", "value": "a digest, or a number",
	"resources": "accepted, and nothing is made", "peers": "accepted, and nothing is made", "extra_dns_labels": "compared only",

	// Looked up, compared, or one of a few.
	"actor": "compared only", "action": "compared only", "resourceId": "compared only", "id": "looked up only", "identity": "looked up only", "identityId": "looked up only", "keyId": "looked up only",
	"permissionId": "looked up only", "role": "looked up only", "roleId": "looked up only", "cursor": "refused or compared", "search": "compared only",
	"query": "refused or parsed, and forgotten", "tag": "compared only", "granularity": "one of three", "groupBy": "one of a few",
	"order": "one of two", "orderBy": "one of a few", "op": "one of three", "operation": "one of three", "type": "one of a few", "variant": "one of two", "profile": "one of three",

	// Numbers and switches.
	"refillInterval": "as duration",
	"decrypt":        "yes or no", "revalidateKeysCache": "yes or no", "allow_extra_dns_labels": "yes or no", "ephemeral": "yes or no", "revoked": "yes or no",
	"expires": "a time in the record", "expires_in": "a time in the record", "offset": "a place in a list", "usage_limit": "a number in the record",
}

// TestEveryChosenTextIsListed fails for a member of a request that chosen does not have.
func TestEveryChosenTextIsListed(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range serveAll(nil, nil).Routes() {
		members(r.Request, func(name string, d schema.Description) {
			seen[name] = true
			_, listed := chosen[name]
			if number := d["type"] == "integer" || d["type"] == "boolean"; !listed && !number {
				t.Errorf("%s %s: %s is not listed", r.Method, r.Path, name)
			}
		})
	}
	for name := range chosen {
		if !seen[name] {
			t.Errorf("no request has %s", name)
		}
	}
}

// crowd is a gateway whose requests are counted, with an API and a key.
type crowd struct {
	*town
	metrics *metrics.Metrics
	usage   *usage.Counter
	secret  string
}

const maxCounters = 1024 // of a workspace

func newCrowd(t *testing.T) *crowd {
	w := newTown(t)
	c := &crowd{town: w, metrics: metrics.New(findingNames), secret: w.has.Replace("{secret}")}
	c.usage = usage.NewCounter(usage.NewReader(w.store, 0))
	t.Cleanup(func() { _ = c.usage.Close(context.Background()) })
	verifier := verify.New(w.store, verify.Options{Timeout: 10 * time.Second, MaxCounters: maxCounters, Observer: verify.CountUsage(c.usage, c.metrics)})
	c.url = golden.Listen(t, serveAll(w.store, verifier))
	return c
}

// send makes a request and returns its status and body.
func (c *crowd) send(method, path, body string, headers ...string) (int, string) {
	c.t.Helper()
	request := must(http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader([]byte(body))))
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	return answer.StatusCode, string(must(io.ReadAll(answer.Body)))
}

// made is what there is in Redis beside what moves by itself, and among the metrics.
func (c *crowd) made() (names, series int) {
	c.t.Helper()
	for _, name := range redistest.Names(c.t, c.redis, "*") {
		if !strings.HasPrefix(name, "tg:s:") {
			names++
		}
	}
	for _, family := range must(c.metrics.Gatherer().Gather()) {
		series += len(family.GetMetric())
	}
	return names, series
}

// ownLimits is a verification with 50 limits of its own, as large as it may be without a
// root key.
func ownLimits(secret, prefix string, duration int64) string {
	all := make([]map[string]any, 50)
	for i := range all {
		all[i] = map[string]any{"name": fmt.Sprintf("%s:%d:%s", prefix, i, strings.Repeat("x", 200)), "limit": 5, "duration": duration}
	}
	return string(must(json.Marshal(map[string]any{"key": secret, "remaining": map[string]any{"cost": 0}, "ratelimits": all})))
}

// TestBounds does the most that a stranger with one customer key, or one customer's texts,
// can do, and looks at what there is then.
func TestBounds(t *testing.T) {
	c := newCrowd(t)
	status := 0
	verifying := func(body string, headers ...string) {
		status, _ = c.send("POST", "/v1/keys.verifyKey", body, headers...)
	}
	verifying(`{"key":"` + c.secret + `"}`)
	if err := c.usage.Flush(t.Context()); err != nil { // its counts are there before
		t.Fatal(err)
	}
	before, series := c.made()
	same := func(what string, more int) {
		t.Helper()
		if names, now := c.made(); names > before+more || now != series {
			t.Errorf("%s made %d names and %d series, at most %d and 0 are wanted", what, names-before, now-series, more)
		}
	}
	for i := range 100 {
		verifying(fmt.Sprintf(`{"key":"unknown_%d","apiId":"api_%d","tags":["tag %d"]}`, i, i, i), "Authorization", fmt.Sprint("Bearer root_", i), "X-Request-Id", fmt.Sprint("id ", i), "User-Agent", fmt.Sprint("agent ", i))
		c.send("GET", fmt.Sprintf("/v1/unknown%d?a=%d", i, i), "")
		c.send("POST", "/v2/keys.verifyKey", `{"key":"x"}`, "Authorization", fmt.Sprint("Bearer root_", i))
		c.send("POST", "/v1/ratelimits.limit", fmt.Sprintf(`{"namespace":"n%d","identifier":"i%d","limit":1,"duration":1000}`, i, i), "Authorization", fmt.Sprint("Bearer root_", i))
	}
	same("unknown keys, root keys, paths and headers", 0)
	for i := range 100 {
		verifying(fmt.Sprintf(`{"key":"%s","authorization":{"permissions":"p%d"},"ratelimits":[{"name":"none %d"}]}`, c.secret, i, i))
	}
	same("permissions and names of limits that are not stored", 0)
	refused := 0
	for i, duration := range []int64{keys.MaxDuration, 1 << 37, 1000, 60_000, keys.MaxDuration + 1, keys.MaxDuration, keys.MaxDuration} {
		verifying(ownLimits(c.secret, fmt.Sprint(i), duration))
		if status == http.StatusBadRequest {
			refused++
		}
	}
	// A call of 50 fits twice, one of them with windows of a second, which may have ended.
	if same("a key's own limits", store.MaxKeyCounters+2); refused < 4 {
		t.Errorf("%d of 7 calls were refused", refused)
	}
	for _, name := range redistest.Names(t, c.redis, "tg:c:*") {
		if life := c.redis.PTTL(t.Context(), name).Val(); life <= 0 || life > 2*keys.MaxDuration*time.Millisecond {
			t.Fatalf("%.40s lives for %v", name, life)
		}
	}
	if n := c.redis.ZCard(t.Context(), redistest.Names(t, c.redis, "tg:ci:*")[0]).Val(); n > store.MaxKeyCounters {
		t.Errorf("the index lists %d", n)
	}
	if status, body := c.send("POST", "/v1/keys.deleteKey", c.has.Replace(`{"keyId":"{key}","permanent":true}`), "Authorization", "Bearer "+c.root(c.ws, keys.Everything)); status != http.StatusOK {
		t.Fatal(body)
	}
	if left := redistest.Names(t, c.redis, "tg:c[:i]*"); len(left) != 0 {
		t.Errorf("%d names outlive their key", len(left))
	}
}

// TestBoundOfTags verifies with more tags than an API counts in a day.
func TestBoundOfTags(t *testing.T) {
	c := newCrowd(t)
	for i := range 150 {
		tags := make([]string, 10)
		for j := range tags {
			tags[j] = fmt.Sprintf("%d.%d.%s", i, j, strings.Repeat("x", 100))
		}
		body := must(json.Marshal(map[string]any{"key": c.secret, "remaining": map[string]any{"cost": 0}, "tags": tags}))
		if status, answer := c.send("POST", "/v1/keys.verifyKey", string(body)); status != http.StatusOK {
			t.Fatal(answer)
		}
	}
	if err := c.usage.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range redistest.Names(t, c.redis, "tg:u:*") {
		fields := int64(1000)
		switch c.redis.Type(t.Context(), name).Val() {
		case "hash":
			if n := c.redis.HLen(t.Context(), name).Val(); n > fields {
				t.Errorf("%s has %d fields", name, n)
			}
		case "zset":
			if n := c.redis.ZCard(t.Context(), name).Val(); n > 1 {
				t.Errorf("%s has %d members of one key", name, n)
			}
		}
		if c.redis.TTL(t.Context(), name).Val() <= 0 {
			t.Errorf("%s has no end", name)
		}
	}
	if all := redistest.Names(t, c.redis, "tg:u:*:t"); len(all) == 0 || len(all) > 2 { // around midnight
		t.Errorf("the tags have the names %v", all)
	}
}

// TestBoundOfAWorkspace limits by more identifiers than a workspace may have, on a Cluster
// in a shard, in the shape of each dialect.
func TestBoundOfAWorkspace(t *testing.T) {
	c := newCrowd(t)
	root := "Bearer " + c.root(c.ws, keys.Everything)
	most := int(c.store.ShardBudget(maxCounters))
	space := must(c.store.Namespace(t.Context(), keys.Operator(c.ws).As(), keys.NamespaceRef{Name: "space"}))
	users := keystest.Identifiers(layout.PlaceOf(keys.NewSecret(c.secret).Digest()).Shard(), space.ID, most+1)
	last, body := 0, ""
	for some := range slices.Chunk(users, 32) {
		all := make([]map[string]any, len(some))
		for i := range all {
			all[i] = map[string]any{"namespace": "space", "identifier": some[i], "limit": 5, "duration": keys.MaxDuration}
		}
		last, body = c.send("POST", "/v2/ratelimit.multiLimit", string(must(json.Marshal(all))), "Authorization", root)
	}
	if last != http.StatusTooManyRequests || !strings.Contains(body, "counters") || !strings.Contains(body, "too_many_requests") {
		t.Errorf("v2 answers %d %s", last, body)
	}
	if n := len(redistest.Names(t, c.redis, "tg:c:*")); n != most {
		t.Errorf("there are %d counters, want %d", n, most)
	}
	one := `{"namespace":"space","identifier":"` + users[most] + `","limit":5,"duration":1000}`
	if status, body := c.send("POST", "/v1/ratelimits.limit", one, "Authorization", root); status != http.StatusTooManyRequests || !strings.Contains(body, `"code":"RATE_LIMITED"`) || !strings.Contains(body, "counters") {
		t.Errorf("v1 answers %d %s", status, body)
	}
	if status, body := c.send("POST", "/v1/keys.verifyKey", ownLimits(c.secret, "own", 1000)); status != http.StatusTooManyRequests || !strings.Contains(body, `"code":"RATE_LIMITED"`) {
		t.Errorf("a verification is answered %d %s", status, body)
	}
	if status, body := c.send("POST", "/v1/keys.verifyKey", `{"key":"`+c.secret+`"}`); status != http.StatusOK || !strings.Contains(body, `"valid":true`) {
		t.Errorf("a verification without limits is answered %d %s", status, body)
	}
	var text bytes.Buffer
	for _, family := range must(c.metrics.Gatherer().Gather()) {
		if family.GetName() == "tollgate_counters_refused_total" {
			text.WriteString(family.String())
		}
	}
	if !strings.Contains(text.String(), "value:") || strings.Contains(text.String(), "label") {
		t.Errorf("the metric: %s", text.String())
	}
}
