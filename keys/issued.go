package keys

import (
	"slices"
)

// A key that is rerolled stays one key, in one record, at the place of its first secret:
// every secret spends from its one balance and its one set of windows. What each secret has
// of its own is an Issued in the record. Elsewhere a key is handled as the holder of one of
// its secrets knows it: ByDigest and byID return it so, with that secret's id, digest, start,
// end and state in the fields of Key, and whole turns it back into the record to store.
//
// The law of ids. Each secret has a key id, and each id is listed and read as a key.
//
//   - The id of a secret that a reroll has given an end speaks for that secret alone:
//     expires and enabled change it and no other, and deleting it revokes it.
//   - The id of any other secret, a current one, speaks for the key: expires and enabled
//     change the key, with all its secrets. Deleting it revokes that secret; with the last
//     current secret the key is deleted, with those that are in their grace period, so that
//     who deletes the key that they know leaves no earlier secret of it alive.
//   - Everything else (name, owner, metadata, permissions, roles, limits, balance, refill) is
//     the key's, whichever id it is changed by.
//
// No secret is valid past the key's own end, nor while the key is disabled.

// MaxSecrets bounds how many secrets of one key have not ended.
const MaxSecrets = 8

// Issued is a secret of a key that was rerolled, with what is its own.
type Issued struct {
	ID          string       `cbor:"1,keyasint"`
	Digest      Digest       `cbor:"2,keyasint"`
	Start       string       `cbor:"3,keyasint,omitempty"`
	Prefix      string       `cbor:"4,keyasint,omitempty"`
	SecretBytes int          `cbor:"5,keyasint,omitempty"`
	Sealed      []byte       `cbor:"6,keyasint,omitempty"`
	CreatedAt   int64        `cbor:"7,keyasint"`            // unix ms
	End         int64        `cbor:"8,keyasint,omitempty"`  // unix ms, since a reroll of it; 0 for a current one
	Disabled    bool         `cbor:"9,keyasint,omitempty"`  // it alone
	Deleted     bool         `cbor:"10,keyasint,omitempty"` // of the first alone: the record keeps its place
	Request     *Idempotency `cbor:"11,keyasint,omitempty"` // the request that issued it, where it may be repeated
	Erased      bool         `cbor:"12,keyasint,omitempty"` // it was deleted for good: it leaves no tombstone
}

// KeyWide is what the id of a current secret speaks for: the key with all its secrets.
type KeyWide struct {
	Expires  int64 `cbor:"1,keyasint,omitempty"` // unix ms; 0 for never
	Disabled bool  `cbor:"2,keyasint,omitempty"`
}

// ByDigest returns the record's key as the holder of the secret with a digest knows it; nil
// where the record names no such secret.
func (k *Key) ByDigest(d Digest) *Key {
	if len(k.Secrets) == 0 && k.Digest.Equal(d) {
		return k
	}
	for i := range k.Secrets {
		if s := &k.Secrets[i]; !s.Deleted && s.Digest.Equal(d) {
			return k.SeenAs(i)
		}
	}
	return nil
}

// Unrevoke takes back, in a record, by what its secrets are less than they were: some are
// deleted, disabled or end sooner.
func (k *Key) Unrevoke(old *Key) {
	if len(old.Secrets) == 0 || len(k.Secrets) == 0 {
		return
	}
	k.KeyWide = &KeyWide{k.KeyWide.Expires, k.KeyWide.Disabled && old.KeyWide.Disabled}
	if Sooner(k.KeyWide.Expires, old.KeyWide.Expires) == k.KeyWide.Expires {
		k.KeyWide.Expires = old.KeyWide.Expires
	}
	if k.Secrets[0].Deleted {
		k.Start, k.Prefix, k.SecretBytes, k.Sealed = old.Start, old.Prefix, old.SecretBytes, old.Sealed
	}
	var all []Issued
	for _, was := range old.Secrets {
		i := slices.IndexFunc(k.Secrets, func(s Issued) bool { return s.ID == was.ID })
		if i < 0 || k.Secrets[i].Deleted {
			all = append(all, was)
			continue
		}
		s := k.Secrets[i]
		if s.Disabled = s.Disabled && was.Disabled; Sooner(s.End, was.End) == s.End {
			s.End = was.End
		}
		all = append(all, s)
	}
	for _, s := range k.Secrets {
		if old.ByID(s.ID) == nil && !s.Deleted {
			all = append(all, s)
		}
	}
	k.Secrets = all
}

// ByID is ByDigest for the id of a secret.
func (k *Key) ByID(id string) *Key {
	if len(k.Secrets) == 0 && k.ID == id {
		return k
	}
	for i := range k.Secrets {
		if s := &k.Secrets[i]; !s.Deleted && s.ID == id {
			return k.SeenAs(i)
		}
	}
	return nil
}

// Erased reports whether the key, seen as its first secret, was deleted for good by that id.
func (k *Key) Erased() bool { return k.record != nil && k.IssuedSecret().Erased }

// BySecret returns the key once for each of its secrets, as it is seen by that one; the key
// itself where it was never rerolled.
func (k *Key) BySecret() []*Key {
	return slices.DeleteFunc(k.AllSecrets(), func(one *Key) bool { return one.record != nil && one.IssuedSecret().Deleted })
}

// AllSecrets is Issues with a first secret that was deleted.
func (k *Key) AllSecrets() []*Key {
	if len(k.Secrets) == 0 {
		return []*Key{k}
	}
	all := make([]*Key, len(k.Secrets))
	for i := range all {
		all[i] = k.SeenAs(i)
	}
	return all
}

// SeenAs is the key, as it is stored, seen as one of its secrets.
func (k *Key) SeenAs(nth int) *Key {
	if k.record != nil {
		k = k.record
	}
	v := *k
	v.record, v.nth = k, nth
	v.show()
	return &v
}

// show writes what the secret has of its own into the fields that show it.
func (k *Key) show() {
	s := k.IssuedSecret()
	k.ID, k.Digest, k.Start, k.Prefix, k.SecretBytes, k.Sealed, k.CreatedAt = s.ID, s.Digest, s.Start, s.Prefix, s.SecretBytes, s.Sealed, s.CreatedAt
	k.Expires, k.Disabled = Sooner(k.KeyWide.Expires, s.End), k.KeyWide.Disabled || s.Disabled
	if k.nth > 0 && k.UpdatedAt <= s.CreatedAt {
		k.UpdatedAt = 0 // what was changed before it was there
	}
}

// IssuedSecret is the secret that the key is seen as.
func (k *Key) IssuedSecret() *Issued { return &k.Secrets[k.nth] }

// Editable returns the key, seen as the same secret, with lists of its own that may be
// changed; of a key that was never rerolled its secret becomes the first of them.
func (k *Key) Editable() *Key {
	v := *k
	if k.record != nil {
		v.Secrets = slices.Clone(k.Secrets)
		v.KeyWide = &KeyWide{k.KeyWide.Expires, k.KeyWide.Disabled}
		return &v
	}
	v.Secrets = []Issued{{
		ID: k.ID, Digest: k.Digest, Start: k.Start, Prefix: k.Prefix, SecretBytes: k.SecretBytes, Sealed: k.Sealed, CreatedAt: k.CreatedAt,
	}}
	v.KeyWide = &KeyWide{k.Expires, k.Disabled}
	v.record, v.nth = k, 0
	return &v
}

// ToRecord returns the record to store.
//
// Its plain fields are the first secret's, and say of it what older releases have to know:
// field 11 when it ends, field 16 that it is not to be used.
func (k *Key) ToRecord() *Key {
	if k.record == nil {
		return k
	}
	w := *k
	w.UpdatedAt = max(k.UpdatedAt, k.record.UpdatedAt)
	w.record, w.nth = nil, 0
	updated := w.UpdatedAt
	w.show()
	w.UpdatedAt = updated
	if w.Secrets[0].Deleted {
		w.Expires, w.Disabled = 1, true
	}
	return &w
}

// SetExpires changes when the key, or the secret, ends: see the law of ids.
func (k *Key) SetExpires(at int64) {
	if k.record == nil {
		k.Expires = at
		return
	}
	*k = *k.Editable()
	if s := k.IssuedSecret(); s.End != 0 {
		s.End = at
	} else {
		k.KeyWide.Expires = at
	}
	k.Expires = Sooner(k.KeyWide.Expires, k.IssuedSecret().End)
}

// SetDisabled changes whether the key, or the secret, may be used: see the law of ids.
func (k *Key) SetDisabled(disabled bool) error {
	if k.record == nil {
		k.Disabled = disabled
		return nil
	}
	*k = *k.Editable()
	s := k.IssuedSecret()
	switch {
	case s.End == 0:
		k.KeyWide.Disabled, s.Disabled = disabled, disabled && s.Disabled
	case !disabled && k.KeyWide.Disabled:
		return Errorf(KindPrecondition, "key", "the key is disabled with all its secrets: enable it by the id of its current secret")
	default:
		s.Disabled = disabled
	}
	k.Disabled = k.KeyWide.Disabled || s.Disabled
	return nil
}

// Without returns the record without the secret that the key is seen as, which is deleted for
// good or not. It is nil where no current secret would be left: then the key ends as a whole.
func (k *Key) Without(permanent bool) *Key {
	if k.record == nil {
		return nil
	}
	v := k.Editable()
	if gone := v.IssuedSecret(); v.nth == 0 {
		*gone = Issued{ID: gone.ID, Digest: gone.Digest, CreatedAt: gone.CreatedAt, Deleted: true, Erased: permanent}
	} else {
		v.Secrets = slices.Delete(v.Secrets, v.nth, v.nth+1)
	}
	v.nth = 0
	if !slices.ContainsFunc(v.Secrets, func(s Issued) bool { return s.End == 0 && !s.Deleted }) {
		return nil
	}
	return v
}

// liveSecrets counts the secrets that have not ended at now.
func (k *Key) liveSecrets(now int64) (n int) {
	for i := range k.Secrets {
		if s := &k.Secrets[i]; !s.Deleted && !s.ended(now) {
			n++
		}
	}
	return n
}

func (s *Issued) ended(now int64) bool { return s.End != 0 && now >= s.End }

// Sooner is the sooner of two ends, in unix ms, of which 0 is never.
func Sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// AsStored returns the key as its record stores it, where the key is seen as one of the
// secrets of a key that was rerolled; nil otherwise.
func (k *Key) AsStored() *Key { return k.record }

// RecordDigest is the digest in whose place the key's record is: its own, or that of its
// first secret.
func (k *Key) RecordDigest() Digest {
	if k.record != nil {
		return k.record.Digest
	}
	return k.Digest
}

// Select makes the key be seen as the secret with a digest, which must be one of Secrets.
func (k *Key) Select(d Digest) {
	k.nth = slices.IndexFunc(k.Secrets, func(one Issued) bool { return one.Digest == d })
}

// RecordID is the id of the record: that of the key's first secret. What is counted for the
// key, whichever secret is presented, is counted under it.
func (k *Key) RecordID() string {
	if k.record != nil {
		return k.record.ID
	}
	return k.ID
}

// CheckIssued refuses a record that names its secrets in a way that none was stored.
func (k *Key) CheckIssued() error {
	if len(k.Secrets) == 0 && k.KeyWide == nil {
		return nil
	}
	if len(k.Secrets) == 0 || k.KeyWide == nil || k.Secrets[0].ID != k.ID || k.Secrets[0].Digest != k.Digest {
		return ErrCorrupt
	}
	for i := range k.Secrets[1:] {
		if k.Secrets[1+i].Deleted {
			return ErrCorrupt
		}
	}
	if k.Secrets[0].Deleted && len(k.Secrets) == 1 {
		return ErrCorrupt
	}
	return nil
}
