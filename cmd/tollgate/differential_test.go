package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/golden"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// side is a store of its own, spoken to in one generation's words.
type side struct {
	generation string
	store      *store.Store
	verifier   *verify.Verifier
	clock      *miniredis.Miniredis
	url        string
	rootKey    string
	access     keys.Access
	api        string
	keys       []keys.NewKey
}

func newSide(t *testing.T, generation string) *side {
	mini := redistest.Mini(t)
	patient := func(o *redis.Options) {
		o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = 10*time.Second, 10*time.Second, 10*time.Second
	}
	store := store.Open(redistest.Client(t, mini.Addr(), patient), store.Options{Timeout: 10 * time.Second})
	ws := must(store.Workspace(t.Context(), keys.DefaultWorkspace))
	_, secret, err := store.CreateRootKey(t.Context(), ws, keys.RootDraft{Grants: []string{keys.Everything}})
	if err != nil {
		t.Fatal(err)
	}
	verifier := verify.New(store, verify.Options{Timeout: 10 * time.Second})
	return &side{
		generation: generation, store: store, verifier: verifier, clock: mini, rootKey: secret.Reveal(), access: keys.Operator(ws).As(),
		url: golden.Listen(t, serveUnkey(store, verifier)),
	}
}

type object = map[string]any

// post calls an operation and returns its status, and its data without what is around it.
func (s *side) post(operation string, body any) (int, object) {
	req := must(http.NewRequest("POST", s.url+"/"+s.generation+"/"+operation, bytes.NewReader(must(json.Marshal(body)))))
	req.Header.Set("Authorization", "Bearer "+s.rootKey)
	req.Header.Set("Content-Type", "application/json")
	res := must(http.DefaultClient.Do(req))
	defer res.Body.Close()
	var out object
	if err := json.Unmarshal(must(io.ReadAll(res.Body)), &out); err != nil {
		return res.StatusCode, nil
	}
	if data, ok := out["data"].(object); ok {
		out = data
	}
	return res.StatusCode, out
}

// first is true where this side speaks the first generation.
func (s *side) first() bool { return s.generation == "v1" }

// pick returns what this side says of two ways to say the same.
func pick[T any](s *side, first, second T) T {
	if s.first() {
		return first
	}
	return second
}

// draft is a key as both generations can make one.
type draft struct {
	Remaining, Limit int64 // -1 for none
	Monthly          int64 // the refill's day; 0 daily, -1 for none
	Permissions      []string
	Identity         string
	Disabled         bool
}

var drafts = rapid.Custom(func(t *rapid.T) draft {
	d := draft{
		Remaining:   rapid.SampledFrom([]int64{-1, 1, 3, 20}).Draw(t, "remaining"),
		Limit:       rapid.SampledFrom([]int64{-1, 1, 4}).Draw(t, "limit"),
		Monthly:     -1,
		Permissions: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, "permissions"),
		Identity:    rapid.SampledFrom([]string{"", "ann", "bob"}).Draw(t, "identity"),
		Disabled:    rapid.IntRange(0, 19).Draw(t, "disabled") == 0,
	}
	if d.Remaining >= 0 {
		d.Monthly = rapid.SampledFrom([]int64{-1, 0, 1, 31}).Draw(t, "monthly")
	}
	return d
})

const window = 60_000 // ms

func (s *side) create(d draft) int {
	body := object{"apiId": s.api, "permissions": d.Permissions, "enabled": !d.Disabled}
	if d.Identity != "" {
		body["externalId"] = d.Identity
	}
	credits := object{"remaining": d.Remaining}
	if d.Monthly >= 0 {
		credits["refill"] = refillOf(d.Monthly)
	}
	if d.Remaining >= 0 && s.first() {
		for name, value := range credits {
			body[name] = value
		}
	} else if d.Remaining >= 0 {
		body["credits"] = credits
	}
	if d.Limit >= 0 && s.first() {
		body["ratelimit"] = object{"limit": d.Limit, "duration": window}
	} else if d.Limit >= 0 {
		body["ratelimits"] = []object{{"name": "default", "limit": d.Limit, "duration": window, "autoApply": true}}
	}
	status, made := s.post("keys.createKey", body)
	if status == http.StatusOK {
		s.keys = append(s.keys, keys.NewKey{ID: made["keyId"].(string), Secret: keys.NewSecret(made["key"].(string))})
	}
	return status
}

func refillOf(day int64) object {
	if day == 0 {
		return object{"interval": "daily", "amount": 7}
	}
	return object{"interval": "monthly", "amount": 7, "refillDay": day}
}

// use is a verification as both generations can ask for one.
type use struct {
	Cost    int64
	Any     bool
	Query   []string
	Default int64 // the cost of the stored limit; -1 leaves it
	Own     int64 // the cost of a limit of the request's own; -1 for none
	Shared  int64 // the cost of the identity's limit; -1 leaves it
}

var usesOfKeys = rapid.Custom(func(t *rapid.T) use {
	cost := rapid.SampledFrom([]int64{-1, -1, 0, 1, 2})
	return use{
		Cost: rapid.Int64Range(0, 3).Draw(t, "cost"), Any: rapid.Bool().Draw(t, "any"),
		Query:   rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 2).Draw(t, "query"),
		Default: cost.Draw(t, "default"), Own: cost.Draw(t, "own"), Shared: cost.Draw(t, "shared"),
	}
})

// outcome is what both generations tell of a verification.
type outcome struct {
	Status int
	Code   any
	Left   any
}

func (s *side) verify(key keys.NewKey, u use) outcome {
	body := object{"key": key.Secret.Reveal(), pick(s, "remaining", "credits"): object{"cost": u.Cost}}
	if len(u.Query) > 0 {
		body["permissions"] = strings.Join(u.Query, pick(s, "", " AND "))
		if u.Any {
			body["permissions"] = strings.Join(u.Query, " OR ")
		}
		if s.first() {
			delete(body, "permissions")
			word := "and"
			if u.Any {
				word = "or"
			}
			body["authorization"] = object{"permissions": object{word: u.Query}}
		}
	}
	limits := []object{}
	for name, cost := range map[string]int64{"default": u.Default, "shared": u.Shared} {
		if cost >= 0 {
			limits = append(limits, object{"name": name, "cost": cost})
		}
	}
	if u.Own >= 0 {
		limits = append(limits, object{"name": "own", "cost": u.Own, "limit": 5, "duration": window})
	}
	body["ratelimits"] = limits
	status, got := s.post("keys.verifyKey", body)
	if status == http.StatusPreconditionFailed {
		status = http.StatusBadRequest // what v2 says of a limit that is not there
	}
	if status != http.StatusOK {
		return outcome{Status: status}
	}
	return outcome{status, got["code"], got[pick(s, "remaining", "credits")]}
}

// remains is what is left of a key in the store.
type remains struct {
	Gone    bool
	Limited bool
	State   keys.State
	Shared  int64
}

func (s *side) remains(t *rapid.T, key keys.NewKey) remains {
	d, err := s.store.Key(t.Context(), s.access, key.ID, false)
	if err != nil {
		return remains{Gone: true}
	}
	e := remains{Limited: d.Key.HasCredits, State: d.State}
	if d.Resolved.Identity != nil {
		look := &verify.Request{Secret: key.Secret, Limits: []verify.LimitRequest{{Name: "shared", Cost: verify.Free}}, Cost: verify.Free}
		if o, err := s.verifier.Verify(t.Context(), look); err == nil {
			i := slices.IndexFunc(o.Limits, func(l verify.LimitState) bool { return l.Name == "shared" })
			if i >= 0 {
				e.Shared = o.Limits[i].Remaining
			}
		}
	}
	return e
}

// The same creations, changes, verifications and passing of time, said in the words of each
// generation to a store of its own, have the same outcomes and leave the same behind.
func TestGenerationsAgree(t *testing.T) {
	sides := []*side{newSide(t, "v1"), newSide(t, "v2")}
	now := time.Date(2026, 1, 30, 23, 50, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		both := func(what string, do func(*side) any) {
			t.Helper()
			if one, other := do(sides[0]), do(sides[1]); !reflect.DeepEqual(one, other) {
				t.Fatalf("%s: v1 %+v, v2 %+v", what, one, other)
			}
		}
		tick := func(d time.Duration) {
			now = now.Add(d)
			for _, s := range sides {
				s.clock.SetTime(now)
			}
		}
		tick(48 * time.Hour) // whatever the run before counted is over
		for _, s := range sides {
			s.keys = nil
			s.api = must(s.store.CreateAPI(t.Context(), s.access, "differential")).ID
			for _, who := range []string{"ann", "bob"} {
				_ = s.store.DeleteIdentity(t.Context(), s.access, keys.IdentityRef{ExternalID: who})
				limit := object{"name": "shared", "limit": 6, "duration": window}
				if !s.first() {
					limit["autoApply"] = false
				}
				if status, _ := s.post("identities.createIdentity", object{"externalId": who, "ratelimits": []object{limit}}); status != http.StatusOK {
					t.Fatalf("%s: an identity: %d", s.generation, status)
				}
			}
		}
		key := func() int { return rapid.IntRange(0, len(sides[0].keys)-1).Draw(t, "key") }
		verifyOne := func(t *rapid.T) {
			if len(sides[0].keys) == 0 {
				t.Skip()
			}
			n, u := key(), usesOfKeys.Draw(t, "use")
			both(fmt.Sprintf("verify %d %+v", n, u), func(s *side) any { return s.verify(s.keys[n], u) })
		}
		t.Repeat(map[string]func(*rapid.T){
			"verify": verifyOne, "verify again": verifyOne, "and again": verifyOne,
			"create": func(t *rapid.T) {
				d := drafts.Draw(t, "draft")
				both("create", func(s *side) any { return s.create(d) })
			},
			"credits": func(t *rapid.T) {
				if len(sides[0].keys) == 0 {
					t.Skip()
				}
				n, op := key(), rapid.SampledFrom([]string{"set", "increment", "decrement"}).Draw(t, "op")
				value := any(rapid.Int64Range(0, 10).Draw(t, "value"))
				if op == "set" && rapid.IntRange(0, 4).Draw(t, "unlimited") == 0 {
					value = nil
				}
				both("credits", func(s *side) any {
					status, got := s.post(pick(s, "keys.updateRemaining", "keys.updateCredits"),
						object{"keyId": s.keys[n].ID, pick(s, "op", "operation"): op, "value": value})
					return []any{status, got["remaining"]}
				})
			},
			"change": func(t *rapid.T) {
				if len(sides[0].keys) == 0 {
					t.Skip()
				}
				n, members := key(), object{"enabled": rapid.IntRange(0, 9).Draw(t, "enabled") > 0}
				limit := rapid.SampledFrom([]int64{-1, 0, 2, 5}).Draw(t, "limit")
				both("change", func(s *side) any {
					body := object{"keyId": s.keys[n].ID}
					for name, value := range members {
						body[name] = value
					}
					switch {
					case limit == 0 && s.first():
						body["ratelimit"] = nil
					case limit == 0:
						body["ratelimits"] = []object{}
					case limit > 0 && s.first():
						body["ratelimit"] = object{"limit": limit, "duration": window}
					case limit > 0:
						body["ratelimits"] = []object{{"name": "default", "limit": limit, "duration": window, "autoApply": true}}
					}
					status, _ := s.post("keys.updateKey", body)
					return status
				})
			},
			"delete": func(t *rapid.T) {
				if len(sides[0].keys) == 0 || rapid.IntRange(0, 9).Draw(t, "really") > 0 {
					t.Skip()
				}
				n := key()
				both("delete", func(s *side) any {
					status, _ := s.post("keys.deleteKey", object{"keyId": s.keys[n].ID})
					return status
				})
			},
			"wait": func(t *rapid.T) {
				tick(time.Duration(rapid.SampledFrom([]int{1, 7000, 31_000, 130_000, 24 * 3600_000}).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) {},
		})
		for n := range sides[0].keys {
			both(fmt.Sprint("what is left of key ", n), func(s *side) any { return s.remains(t, s.keys[n]) })
		}
	})
}
