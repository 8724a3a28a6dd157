package setupkeys_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

// Of any number of concurrent peers exactly as many succeed as the key has uses,
// through any number of gateways, and each knows which use was its own.
func TestRedemptionsAreExact(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		gateways := []*office{o, o.again(), o.again()}
		for round := range 20 {
			k, secret := o.make(setupkeys.SetupKeyDraft{UsageLimit: 5})
			var mu sync.Mutex
			var uses []int64
			var refused atomic.Int64
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					r, err := gateways[i%3].redeem(secret, fmt.Sprint("peer ", round, " ", i))
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						uses = append(uses, r.UsedTimes)
					} else if keys.AsError(err).Kind == keys.KindNotFound {
						refused.Add(1)
					}
				})
			}
			all.Wait()
			slices.Sort(uses)
			if !slices.Equal(uses, []int64{1, 2, 3, 4, 5}) || refused.Load() != 15 {
				t.Fatalf("round %d: uses %v, refused %d", round, uses, refused.Load())
			}
			if got := o.get(k.ID); got.UsedTimes != 5 || got.State != keys.SetupOverused || got.LastUsed == 0 || got.UpdatedAt != 0 {
				t.Fatalf("%+v", got)
			}
		}
	})
}

// One peer spends one use, however often and wherever it asks, and is always told
// the same, also when no use is left and when the groups are others by now.
func TestPeerRedeemsOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		old, later := o.group("old"), o.group("later")
		k, secret := o.make(setupkeys.SetupKeyDraft{UsageLimit: 2, Groups: []string{old, old}})
		var all sync.WaitGroup
		for range 20 {
			gateway := o.again()
			all.Go(func() {
				if r, err := gateway.redeem(secret, "p"); err != nil || r.UsedTimes != 1 || !slices.Equal(r.Groups, []string{old, old}) {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
		all.Wait()
		o.update(k.ID, []string{later}, false)
		if r := o.enrol(keys.NewSecret(strings.ToLower(secret.Reveal())), "q"); r.UsedTimes != 2 || !slices.Equal(r.Groups, []string{later}) {
			t.Errorf("%+v", r)
		}
		if r := o.enrol(secret, "p"); r.UsedTimes != 1 || !slices.Equal(r.Groups, []string{old, old}) {
			t.Errorf("%+v", r)
		}
		_, err := o.redeem(secret, "r")
		o.lost("overused", err)
		o.update(k.ID, []string{later}, true)
		_, err = o.redeem(secret, "p")
		o.lost("revoked", err)
	})
}

// A key of any other sort is as unknown as one that nobody has.
func TestOnlySetupKeysAreRedeemed(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	_, root, err := o.CreateRootKey(t.Context(), o.Access.WorkspaceID, keys.RootDraft{Grants: []string{keys.Everything}, Secret: keys.NewSecret("A-ROOT-KEY-IN-CAPITALS")})
	o.Must(err)
	api, err := o.CreateAPI(t.Context(), o.Access, "api")
	o.Must(err)
	plain, err := o.CreateKey(t.Context(), o.Access, keys.KeyDraft{APIID: api.ID})
	o.Must(err)
	for _, secret := range []keys.Secret{root, plain.Secret, keys.NewSecret("x"), keys.NewSecret(strings.Repeat("é\x00", 100_000))} {
		_, err := o.redeem(secret, "p")
		o.lost("unknown", err)
	}
}

// Extra DNS labels are given or refused by the key, and a refusal spends nothing.
func TestExtraDNSLabels(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	plain, secret := o.make(setupkeys.SetupKeyDraft{UsageLimit: 1})
	_, generous := o.make(setupkeys.SetupKeyDraft{ExtraDNSLabels: true})
	ask := func(secret keys.Secret, peer string, labels ...string) error {
		_, err := o.Redeem(t.Context(), o.Access, setupkeys.RedeemRequest{Secret: secret, Peer: peer, ExtraDNSLabels: labels})
		return err
	}
	if got := o.refused(keys.KindPrecondition, ask(secret, "p", "web.internal")); got != "couldn't add peer: setup key doesn't allow extra DNS labels" {
		t.Error(got)
	}
	if got := o.get(plain.ID); got.UsedTimes != 0 || got.LastUsed != 0 {
		t.Errorf("%+v", got)
	}
	o.Must(ask(secret, "p"))
	o.refused(keys.KindPrecondition, ask(secret, "p", "web"))
	o.lost("overused", ask(secret, "q", "web"))
	o.Must(ask(generous, "q", "web", "*.web.internal", "a_b.c-d", strings.Repeat("a", 63)+".x"))
	for _, bad := range []string{"", ".", "a..b", "-a", "a b", "a\n", "ü", strings.Repeat("a", 64), strings.Repeat("a.", 130) + "a"} {
		o.refused(keys.KindInvalid, ask(generous, "q", bad))
	}
	o.refused(keys.KindInvalid, ask(generous, "p", make([]string, 33)...))
}

// What is no peer is refused before anything is spent.
func TestPeerNames(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	k, secret := o.make(setupkeys.SetupKeyDraft{})
	for _, bad := range []string{"", "  ", "a\x00b", "a\nb", "\x7f", "\xff", strings.Repeat("p", 257)} {
		_, err := o.redeem(secret, bad)
		o.refused(keys.KindInvalid, err)
	}
	for _, good := range []string{"{}", "*", ":", "{x}y", "p", "P", "💻", "tg:k:{00}x", strings.Repeat("p", 256)} {
		o.enrol(secret, good)
	}
	if got := o.get(k.ID); got.UsedTimes != 9 {
		t.Errorf("%d uses", got.UsedTimes)
	}
}

// Who redeemed a key and when is kept in order and read in pages; who was refused
// and why beside it.
func TestRedemptionsAreKept(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		o := newOffice(t, c)
		g := o.group("g")
		k, secret := o.make(setupkeys.SetupKeyDraft{UsageLimit: 5, Groups: []string{g}})
		var at []int64
		for i := range 5 {
			at = append(at, o.enrol(secret, fmt.Sprint(9-i)).At)
			clock.Advance(time.Minute)
		}
		for i := range 110 {
			_, err := o.redeem(secret, fmt.Sprint("late ", i))
			o.lost("overused", err)
		}
		page, err := o.again().Redemptions(t.Context(), o.Access, k.ID, 1, 3)
		o.Must(err)
		if page.Total != 5 || len(page.Redeemed) != 3 {
			t.Fatalf("%+v", page)
		}
		for i, r := range page.Redeemed {
			if r.Peer != fmt.Sprint(8-i) || r.At != at[i+1] || r.UsedTimes != int64(i+2) || !slices.Equal(r.Groups, []string{g}) {
				t.Errorf("%d: %+v", i, r)
			}
		}
		if len(page.Refused) != 100 || page.Refused[0].Peer != "late 109" || page.Refused[0].Reason != "overused" || page.Refused[0].At <= at[4] {
			t.Errorf("%d refusals, %+v", len(page.Refused), page.Refused[0])
		}
		if got := o.get(k.ID); got.LastUsed != at[4] {
			t.Errorf("last used %d, want %d", got.LastUsed, at[4])
		}
		clock.Advance(31 * 24 * time.Hour)
		page, err = o.Redemptions(t.Context(), o.Access, k.ID, 5, 3)
		if o.Must(err); len(page.Redeemed) != 0 || len(page.Refused) != 0 {
			t.Errorf("%+v", page)
		}
	})
}

// Where replies are lost, no peer spends two uses, and one that asks again is told
// what it would have been told.
func TestRedemptionAtMostOnce(t *testing.T) {
	server := redistest.Start(t)
	link := redistest.Proxy(t, server.Addr())
	client, err := redisdb.Dial("redis://"+link.Addr(), redisdb.Options{NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	direct := newOffice(t, server.Client())
	k, secret := direct.make(setupkeys.SetupKeyDraft{UsageLimit: 1000})
	lossy := *direct
	lossy.Keys = setupkeys.New(store.Open(client, store.Options{}))
	lossy.enrol(secret, "first") // so that Redis has the script
	for i := range 30 {
		link.LoseReplies()
		if _, err := lossy.redeem(secret, fmt.Sprint(i)); err == nil {
			t.Fatal("an answer without a reply")
		}
		link.Restore()
	}
	spent := direct.get(k.ID).UsedTimes
	for i := range 30 {
		direct.enrol(secret, fmt.Sprint(i))
	}
	page, err := direct.Redemptions(t.Context(), direct.Access, k.ID, 0, 100)
	direct.Must(err)
	if used := direct.get(k.ID).UsedTimes; used != 31 || page.Total != 31 || spent < 1 || spent > 31 {
		t.Errorf("31 peers spent %d uses, %d of them while replies were lost; %d are kept", used, spent, page.Total)
	}
}
