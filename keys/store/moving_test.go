package store_test

import (
	"errors"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// A change of the uses of a key between any two steps of its first verification counts,
// and counts once; and so does the verification.
func TestCreditsChangeWhileAKeyIsAdopted(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		redistest.FailOverNow(c)
		m := newMigrating(t, c)
		for at := 0; ; at++ {
			plaintext, hash := seam("credits" + string(rune('a'+at)))
			id := m.migrate(keys.PrefixedAPIKey, keys.KeyDraft{Remaining: keystest.Uses(5)}, hash)[0]
			added := false
			client := redistest.Steps(t, c, func(step int) error {
				if step == at {
					added = true
					_, _, err := m.UpdateCredits(t.Context(), m.Access, id, store.IncrementCredits, keystest.Uses(10))
					m.Must(err)
				}
				return nil
			})
			o, err := first(client).VerifyMigrated(t.Context(), &verify.Request{RootKey: m.root, Secret: keys.NewSecret(plaintext), Cost: 1}, "from.seam")
			m.Must(err)
			if !added {
				return
			}
			d, err := m.Key(t.Context(), m.Access, id, false)
			m.Must(err)
			if o.Code != verify.Valid || d.State.Balance != 14 {
				t.Errorf("10 added to 5 before step %d of a verification: %s, %d left", at, o.Code, d.State.Balance)
			}
		}
	})
}

// Wherever a gateway dies that is the first to verify a key, the key can be read, changed
// and verified through another, and has the uses that it had.
func TestDeathWhileAKeyIsAdopted(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		redistest.FailOverNow(c)
		m := newMigrating(t, c)
		for steps := 0; ; steps++ {
			plaintext, hash := seam("death" + string(rune('a'+steps)))
			id := m.migrate(keys.PrefixedAPIKey, keys.KeyDraft{Remaining: keystest.Uses(5)}, hash)[0]
			client := redistest.Steps(t, c, func(step int) error {
				if step >= steps {
					return errors.New("this gateway was killed")
				}
				return nil
			})
			r := &verify.Request{RootKey: m.root, Secret: keys.NewSecret(plaintext), Cost: verify.Free}
			_, err := first(client).VerifyMigrated(t.Context(), r, "from.seam")
			m.Must(m.UpdateKey(t.Context(), m.Access, id, keys.KeyPatch{Name: keys.To("changed")}))
			balance, _, e := m.UpdateCredits(t.Context(), m.Access, id, store.DecrementCredits, keystest.Uses(2))
			m.Must(e)
			if got := m.code(plaintext, "from.seam"); got != verify.Valid || *balance != 3 {
				t.Errorf("dead after %d steps: %s, %d left", steps, got, *balance)
			}
			d, e := m.Key(t.Context(), m.Access, id, false)
			m.Must(e)
			if d.Key.Name != "changed" || d.State.Balance != 2 {
				t.Errorf("dead after %d steps: %+v has left %+v", steps, d.Key, d.State)
			}
			if err == nil {
				return
			}
		}
	})
}

// first is a gateway of its own.
func first(c redis.UniversalClient) *verify.Verifier {
	return verify.New(store.Open(c, store.Options{Timeout: 10 * time.Second}), verify.Options{Timeout: 10 * time.Second})
}
