package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

var errKilled = errors.New("this gateway was killed")

// A key that is deleted while it is verified for the first time stays deleted: wherever
// one that presents it died before, between any two steps of another, and by whatever way
// it is deleted. At no moment does anything verify that can't be read and deleted.
func TestDeletedWhileAKeyIsAdopted(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		redistest.FailOverNow(c)
		m := newMigrating(t, c)
		one := func(id string, permanent bool) error { return m.DeleteKey(t.Context(), m.Access, id, permanent) }
		all := func(_ string, permanent bool) error {
			_, err := m.DeleteKeys(t.Context(), m.Access, m.APIID, permanent)
			return err
		}
		for name, remove := range map[string]func(id string, permanent bool) error{"one": one, "all": all} {
			for dead := 0; ; dead++ {
				at, last := 0, false
				for ; m.deletedAt(c, fmt.Sprintf("%s%d-%d", name, dead, at), at, dead, &last, remove); at++ {
				}
				if at == 0 {
					t.Fatal("nobody presented the key")
				}
				if last {
					break
				}
			}
		}
	})
}

// deletedAt presents a key; before one step of that another presents it, dies after so many
// steps, or is through, which is the last case, and the key is deleted. It is false where
// there are fewer steps.
func (m *migrating) deletedAt(c redis.UniversalClient, name string, at, dead int, last *bool, remove func(string, bool) error) (deleted bool) {
	plaintext, hash := seam(name)
	id := m.migrate(keys.PrefixedAPIKey, keys.KeyDraft{ExternalID: "someone", Remaining: keystest.Uses(5)}, hash)[0]
	permanent := at%4 != 3
	client := redistest.Steps(m.TB, c, func(step int) error {
		if step == at {
			deleted = true
			*last = m.present(c, plaintext, dead) == nil
			m.Must(remove(id, permanent))
		}
		if deleted {
			m.gone(name, plaintext, id)
		}
		return nil
	})
	err := m.present(client, plaintext, -1)
	if !deleted {
		m.Must(err)
		m.Must(remove(id, true))
		return false
	}
	m.gone(name, plaintext, id)
	if code := m.code(plaintext, "from.seam"); code != verify.NotFound {
		m.TB.Errorf("%s: presented again, a deleted key is %s", name, code)
	}
	m.gone(name, plaintext, id)
	return true
}

// present verifies a plaintext through a gateway of its own, that dies after so many steps;
// -1 for never.
func (m *migrating) present(c redis.UniversalClient, plaintext string, dead int) error {
	if dead >= 0 {
		c = redistest.Steps(m.TB, c, func(step int) error {
			if step >= dead {
				return errKilled
			}
			return nil
		})
	}
	r := &verify.Request{RootKey: m.root, Secret: keys.NewSecret(plaintext), Cost: 1}
	_, err := first(c).VerifyMigrated(m.TB.Context(), r, "from.seam")
	return err
}

// gone checks that a key is neither verified nor read.
func (m *migrating) gone(name, plaintext, id string) {
	m.TB.Helper()
	if code := m.code(plaintext, ""); code != verify.NotFound {
		m.TB.Errorf("%s: a deleted key is %s", name, code)
	}
	if _, err := m.Key(m.TB.Context(), m.Access, id, false); err == nil || keys.AsError(err).Kind != keys.KindNotFound {
		m.TB.Errorf("%s: a deleted key is read: %v", name, err)
	}
	page, err := m.Keys(m.TB.Context(), m.Access, store.KeyQuery{APIID: m.APIID, Limit: store.MaxPage})
	m.Must(err)
	for _, d := range page.Keys {
		if d.Key.ID == id {
			m.TB.Errorf("%s: a deleted key is listed", name)
		}
	}
}

// A key whose reservation was lost, with a failover or with the time, is adopted all the same;
// and one whose hash comes again after it was deleted before it had moved, likewise.
func TestBerthIsLost(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		redistest.FailOverNow(c)
		m := newMigrating(t, c)
		for dead := 0; ; dead++ {
			for _, again := range []bool{false, true} {
				plaintext, hash := seam(fmt.Sprint("berth", dead, again))
				id := m.migrate(keys.PrefixedAPIKey, keys.KeyDraft{Remaining: keystest.Uses(5)}, hash)[0]
				through := m.present(c, plaintext, dead) == nil
				if through {
					return
				}
				digest := keys.NewSecret(plaintext).Digest()
				record, _ := layout.RecordName(digest)
				if ttl := c.PTTL(t.Context(), record).Val(); again {
					m.Must(m.DeleteKey(t.Context(), m.Access, id, true))
					m.gone(fmt.Sprintf("dead after %d steps", dead), plaintext, id)
					m.code(plaintext, "from.seam")
					id = m.migrate(keys.PrefixedAPIKey, keys.KeyDraft{Remaining: keystest.Uses(5)}, hash)[0]
				} else if ttl > 0 {
					m.Must(c.Del(t.Context(), record).Err())
				}
				if code := m.code(plaintext, "from.seam"); code != verify.Valid {
					t.Errorf("dead after %d steps: %s", dead, code)
				}
				d, err := m.Key(t.Context(), m.Access, id, false)
				m.Must(err)
				if ttl := c.PTTL(t.Context(), record).Val(); ttl != -1*time.Nanosecond || d.State.Balance > 4 {
					t.Errorf("dead after %d steps: %+v, gone in %v", dead, d.State, ttl)
				}
			}
		}
	})
}
