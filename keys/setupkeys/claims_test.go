package setupkeys_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

// elsewhere is the refusal of a peer that redeemed another setup key.
func (o *office) elsewhere(secret keys.Secret, peer string) {
	o.TB.Helper()
	_, err := o.redeem(secret, peer)
	if got := o.refused(keys.KindPrecondition, err); got != "couldn't add peer: peer has been already registered with another setup key" {
		o.TB.Error(got)
	}
}

// used is how often a setup key was redeemed.
func (o *office) used(k *setupkeys.SetupKey) int64 {
	o.TB.Helper()
	return o.get(k.ID).UsedTimes
}

// A peer that redeemed a key is told the same after the key has ended, and refused after
// it was revoked. Others are refused by both.
func TestPeerRedeemsAgainAfterTheEnd(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		clock.SetClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
		o := newOffice(t, c)
		group := o.group("g")
		k, secret := o.make(setupkeys.SetupKeyDraft{ExpiresIn: 60, Groups: []string{group}})
		first := o.enrol(secret, "p")
		clock.Advance(2 * time.Minute)
		if again := o.enrol(secret, "p"); again.At != first.At || again.UsedTimes != 1 || len(again.Groups) != 1 || again.Groups[0] != group {
			t.Errorf("%+v, it was told %+v", again, first)
		}
		_, err := o.redeem(secret, "q")
		o.lost("expired", err)
		o.update(k.ID, []string{group}, true)
		_, err = o.redeem(secret, "p")
		o.lost("expired", err) // which hides that it is revoked
		o.update(k.ID, []string{group}, false)
		o.enrol(secret, "p")
		if got := o.used(k); got != 1 {
			t.Errorf("%d uses", got)
		}
	})
}

// A peer of one setup key is refused by every other of the workspace, and nothing is
// spent, also when the first one is used up, revoked or has ended, until that is deleted.
func TestPeerHasOneSetupKey(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		first, secret := o.make(setupkeys.SetupKeyDraft{UsageLimit: 1})
		second, other := o.make(setupkeys.SetupKeyDraft{UsageLimit: 1})
		o.enrol(secret, "p")
		o.elsewhere(other, "p")
		o.update(first.ID, []string{}, true)
		o.elsewhere(other, "p")
		if got := o.get(second.ID); got.UsedTimes != 0 || got.State != keys.SetupValid || got.LastUsed != 0 {
			t.Errorf("%+v", got)
		}
		redeemed, err := o.Redemptions(t.Context(), o.Access, second.ID, 0, 10)
		if o.Must(err); redeemed.Total != 0 || len(redeemed.Refused) != 2 || redeemed.Refused[0].Reason != setupkeys.RedeemClaimed {
			t.Errorf("%+v", redeemed)
		}
		abroad := officeOf(keystest.New(t, c, "another"))
		_, foreign := abroad.make(setupkeys.SetupKeyDraft{})
		abroad.enrol(foreign, "p")

		o.Must(o.DeleteSetupKey(t.Context(), o.Access, first.ID))
		o.enrol(other, "p")
		if got := o.used(second); got != 1 {
			t.Errorf("%d uses", got)
		}
		o.Must(o.DeleteSetupKey(t.Context(), o.Access, second.ID))
		abroad.enrol(foreign, "p")
		if left := redistest.Names(t, c, "tg:s[cwrpf]:*"); len(left) != 3 { // of the other workspace
			t.Errorf("deleted setup keys leave %q", left)
		}
	})
}

// A key that refuses leaves no claim: whoever asks can't fill Redis with them.
func TestARefusalLeavesNoClaim(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	k, secret := o.make(setupkeys.SetupKeyDraft{UsageLimit: 1})
	o.enrol(secret, "p")
	revoked, disabled := o.make(setupkeys.SetupKeyDraft{})
	o.update(revoked.ID, []string{}, true)
	for i := range 20 {
		_, err := o.redeem(secret, fmt.Sprint("late ", i))
		o.lost("overused", err)
		_, err = o.redeem(disabled, fmt.Sprint("late ", i))
		o.lost("revoked", err)
	}
	if claims := redistest.Names(t, o.Redis(), "tg:sc:*"); len(claims) != 1 || o.used(k) != 1 {
		t.Errorf("%q", claims)
	}
	// Many at once for one use: those that came too late leave none either.
	_, one := o.make(setupkeys.SetupKeyDraft{Type: setupkeys.SetupOneOff})
	var all sync.WaitGroup
	for i := range 40 {
		gateway := o.again()
		all.Go(func() { _, _ = gateway.redeem(one, fmt.Sprint("racer ", i)) })
	}
	all.Wait()
	if claims := redistest.Names(t, o.Redis(), "tg:sc:*"); len(claims) != 2 {
		t.Errorf("%d claims: %q", len(claims), claims)
	}
}

// One peer on several keys at once, from several gateways: exactly one succeeds, and one
// use is spent in all.
func TestPeerOnSeveralKeysAtOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		gateways := []*office{o, o.again(), o.again()}
		for round := range 20 {
			var made [3]*setupkeys.SetupKey
			var secrets [3]keys.Secret
			for i := range made {
				made[i], secrets[i] = o.make(setupkeys.SetupKeyDraft{UsageLimit: 5})
			}
			peer := fmt.Sprint("peer ", round)
			var passed [3]atomic.Int64
			var all sync.WaitGroup
			for i := range 18 {
				all.Go(func() {
					_, err := gateways[i%3].redeem(secrets[i/3%3], peer)
					if err == nil {
						passed[i/3%3].Add(1)
					} else if keys.AsError(err).Kind != keys.KindPrecondition {
						t.Errorf("%v", err)
					}
				})
			}
			all.Wait()
			winners, uses := 0, int64(0)
			for i := range made {
				if passed[i].Load() > 0 {
					winners++
				}
				uses += o.used(made[i])
			}
			if winners != 1 || uses != 1 {
				t.Fatalf("round %d: %d keys were redeemed, %d uses spent", round, winners, uses)
			}
		}
	})
}

// What a crash between two steps leaves blocks nobody, and lets no peer redeem twice.
func TestInterruptedRedemptions(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		first, secret := o.make(setupkeys.SetupKeyDraft{})
		second, other := o.make(setupkeys.SetupKeyDraft{})
		o.enrol(secret, "model")
		claim := redistest.Names(t, c, "tg:sc:*")[0]
		text := c.Get(t.Context(), claim).Val()
		record, _ := layout.RecordName(first.Digest)
		withdrawn := strings.Replace(record, "tg:k:", "tg:sw:", 1)
		id, token, _ := strings.Cut(text, ":")
		// The claim of "model" stands for one that was made before the gateway died.
		forget := func() {
			for _, at := range []*setupkeys.SetupKey{first, second} {
				record, _ := layout.RecordName(at.Digest)
				o.Must(c.Del(t.Context(), strings.Replace(record, "tg:k:", "tg:sr:", 1), strings.Replace(record, "tg:k:", "tg:sp:", 1)).Err())
			}
			o.Must(c.Set(t.Context(), claim, text, 0).Err())
		}
		if id != first.ID {
			t.Fatal(text)
		}
		forget()
		o.enrol(other, "model") // it redeemed nothing
		if got := c.HGet(t.Context(), withdrawn, "model").Val(); got != token {
			t.Errorf("the token %q was not withdrawn: %q", token, got)
		}
		o.elsewhere(secret, "model")

		forget() // and again the first key, whose token is withdrawn by now
		o.enrol(secret, "model")
		o.elsewhere(other, "model")
		if n := c.HLen(t.Context(), withdrawn).Val(); n != 0 {
			t.Errorf("%d withdrawn claims are left", n)
		}
	})
}

// Redemptions by a release that made no claims are found, whichever key is asked first.
func TestEarlierRedemptionsHaveClaims(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		_, secret := o.make(setupkeys.SetupKeyDraft{})
		_, other := o.make(setupkeys.SetupKeyDraft{})
		for i := range 30 {
			o.enrol(secret, fmt.Sprint("peer ", i))
		}
		for _, claim := range redistest.Names(t, c, "tg:sc:*") {
			o.Must(c.Del(t.Context(), claim).Err())
		}
		withoutClaims(t, o.Store, secret)
		gateway := o.again()
		for i := range 30 {
			gateway.elsewhere(other, fmt.Sprint("peer ", i))
		}
		gateway.enrol(other, "new")
		gateway.elsewhere(secret, "new")
	})
}

// Claims are right where a workspace is imported: a peer is told the same by its key, and
// refused by another.
func TestClaimsMoveWithRedemptions(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		old := newOffice(t, c)
		_, secret := old.make(setupkeys.SetupKeyDraft{})
		_, other := old.make(setupkeys.SetupKeyDraft{UsageLimit: 1})
		told := old.enrol(secret, "p")
		moved := officeOf(old.On(redistest.Client(t, redistest.Mini(t).Addr())))
		moved.ImportAll(old.Export())
		moved.elsewhere(other, "p")
		if again := moved.enrol(secret, "p"); again.At != told.At || again.UsedTimes != 1 {
			t.Errorf("%+v", again)
		}
		moved.enrol(other, "q")
	})
}

// withoutClaims makes a setup key one of a release that made no claims.
func withoutClaims(t *testing.T, s *store.Store, secret keys.Secret) {
	t.Helper()
	found, err := s.LoadAt(t.Context(), layout.PlaceOf(secret.Digest()))
	if err != nil {
		t.Fatal(err)
	}
	k, setup := *found.Key, *found.Key.Setup
	setup.Claims, k.Setup = false, &setup
	if done, err := s.Put(audit.Exempt(t.Context()), found, &k, store.Put{}); err != nil || !done {
		t.Fatal(done, err)
	}
}
