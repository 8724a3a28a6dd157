package store_test

import (
	"testing"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"

	"github.com/fxamacker/cbor/v2"
	"github.com/redis/go-redis/v9"
)

// olderKey is what the release before pointers reads of a record when it is presented.
type olderKey struct {
	ID        string      `cbor:"1,keyasint"`
	Digest    keys.Digest `cbor:"4,keyasint"`
	Expires   int64       `cbor:"11,keyasint"`
	Disabled  bool        `cbor:"16,keyasint"`
	Migration string      `cbor:"26,keyasint"`
	Held      bool        `cbor:"28,keyasint"`
}

// older decides about a presented secret like the release before pointers: a record of
// layout 1, with the secret's digest, that waits for no migration.
func (s *world) older(c redis.UniversalClient, secret keys.Secret) verify.Code {
	s.TB.Helper()
	name, _ := layout.RecordName(secret.Digest())
	stored, err := c.Get(s.TB.Context(), name).Result()
	s.Must(err)
	if len(stored) < 23 || stored[0] != '1' {
		return "500"
	}
	var k olderKey
	s.Must(cbor.Unmarshal([]byte(stored[23+21*int(stored[22]):]), &k))
	now, err := s.Now(s.TB.Context())
	s.Must(err)
	switch {
	case k.Digest != secret.Digest():
		return "500"
	case k.Migration != "":
		return verify.NotFound
	case k.Disabled:
		return verify.Disabled
	case k.Expires != 0 && now >= k.Expires:
		return verify.Expired
	}
	return verify.Valid
}

// To a gateway of the release before, a secret that a reroll issued is not found, and the
// first one ends when it is to end, and is not valid when it was disabled or deleted.
func TestOlderReleasesReadRerolledKeys(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		for name, row := range map[string]struct {
			grace int64
			do    func(first, next string) error
			want  verify.Code
		}{
			"in its grace period": {hour, func(_, _ string) error { return nil }, verify.Valid},
			"ended":               {0, func(_, _ string) error { return nil }, verify.Expired},
			"disabled": {hour, func(first, _ string) error {
				return s.UpdateKey(t.Context(), s.Access, first, keys.KeyPatch{Disabled: keys.To(true)})
			}, verify.Disabled},
			"disabled with its key": {hour, func(_, next string) error {
				return s.UpdateKey(t.Context(), s.Access, next, keys.KeyPatch{Disabled: keys.To(true)})
			}, verify.Disabled},
			"ended with its key": {hour, func(_, next string) error {
				return s.UpdateKey(t.Context(), s.Access, next, keys.KeyPatch{Expires: keys.To(int64(1))})
			}, verify.Expired},
			"deleted": {hour, func(first, _ string) error { return s.DeleteKey(t.Context(), s.Access, first, true) }, verify.Disabled},
		} {
			first := s.Create(keys.KeyDraft{})
			next := s.reroll(first.ID, row.grace)
			s.Must(row.do(first.ID, next.ID))
			if got := s.older(c, first.Secret); got != row.want {
				t.Errorf("%s: the first secret is %s, want %s", name, got, row.want)
			}
			if got := s.older(c, next.Secret); got != verify.NotFound {
				t.Errorf("%s: the later secret is %s", name, got)
			}
		}
	})
}
