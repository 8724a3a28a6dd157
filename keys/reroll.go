package keys

import (
	"context"
	"slices"
	"strings"
)

// prefix is what stands before the last "_" of the plaintext: the random part has
// none. Start tells it of every key that was made here.
func (k *Key) prefix() string {
	if k.Prefix != "" {
		return k.Prefix
	}
	return startPrefix(k.Start)
}

func startPrefix(start string) string {
	if i := strings.LastIndexByte(start, '_'); i > 0 {
		return start[:i]
	}
	return ""
}

// setPrefix keeps a prefix where Start does not tell it.
func (k *Key) setPrefix(prefix string) {
	if prefix != startPrefix(k.Start) {
		k.Prefix = prefix
	}
}

// Reroll says how a key is rerolled.
type Reroll struct {
	Grace          int64  // ms for which the old secret goes on, from 0 to MaxTime
	IdempotencyKey string // "" for none; otherwise as CheckIdempotencyKey wants it
}

// RerollKey issues a new secret of a key of the caller's workspace, under a new id. It is the
// same key: both secrets spend from its one balance and its one set of windows. The old
// secret ends after the grace period, by the store's clock, or when it would have anyway; the
// new one ends with the key alone.
//
// A request that is repeated within 24 hours with its IdempotencyKey gives the same id and a
// fresh secret, since the one before is kept nowhere and may have been lost: that one ends at
// once. With another grace period it is KindConflict. A secret that has ended can't be
// rerolled (KindPrecondition), nor a key of which MaxSecrets secrets have not ended.
func (s *Store) RerollKey(ctx context.Context, a Access, id string, r Reroll) (NewKey, error) {
	if r.Grace < 0 || r.Grace > MaxTime {
		return NewKey{}, Invalidf("expiration", "milliseconds, from 0 to %d", int64(MaxTime))
	}
	var token []byte
	if r.IdempotencyKey != "" {
		if err := CheckIdempotencyKey(r.IdempotencyKey); err != nil {
			return NewKey{}, err
		}
		token = idempotencyToken(a, id, r.IdempotencyKey)
	}
	for try := range 4 * tries {
		found, resolved, err := s.owned(ctx, a, id)
		if err != nil {
			return NewKey{}, err
		}
		if err := s.mayReroll(a, found.key); err != nil {
			return NewKey{}, err
		}
		made, err := s.planReroll(found, resolved.API, r, token)
		if err != nil {
			return NewKey{}, err
		}
		done, err := s.storeReroll(ctx, found, made)
		if err != nil {
			return NewKey{}, err
		}
		if done {
			return NewKey{made.key.issued().ID, made.secret}, nil
		}
		if err := pause(ctx, try); err != nil {
			return NewKey{}, err
		}
	}
	return NewKey{}, Unavailable(errBusy)
}

func (s *Store) mayReroll(a Access, k *Key) error {
	if k.Migration != "" {
		return Errorf(KindPrecondition, "key", "the key waits for its migration: it can be rerolled once it was verified")
	}
	if len(k.Sealed) == 0 {
		return nil
	}
	if err := a.check(k.APIID, EncryptKey); err != nil {
		return err
	}
	if s.sealer == nil {
		return errNoKeyset
	}
	return nil
}

// reissued is a key as a reroll is about to store it, seen as the new secret.
type reissued struct {
	key    *Key
	secret Secret
	repeat bool   // its id is not new
	gone   []*Key // secrets that its record does not name any more
}

// planReroll decides what a reroll does to a key as it was read.
func (s *Store) planReroll(found *stored, api *API, r Reroll, token []byte) (*reissued, error) {
	k, now := found.key.editable(), found.now
	k.UpdatedAt = now
	made := &reissued{key: k}
	nth := k.repeated(token, now)
	if nth >= 0 {
		if k.Secrets[nth].Request.Grace != r.Grace {
			return nil, Errorf(KindConflict, "key", "the Idempotency-Key was used for another expiration, of %d", k.Secrets[nth].Request.Grace)
		}
		made.repeat, made.gone = true, append(made.gone, found.key.seenAs(nth))
	} else {
		if err := k.endCurrent(now, r.Grace); err != nil {
			return nil, err
		}
		fresh := Issued{ID: NewID(prefixKey), CreatedAt: now, Disabled: k.issued().Disabled}
		if token != nil {
			fresh.Request = &Idempotency{token, r.Grace, now + idempotencyLife.Milliseconds()}
		}
		k.Secrets = append(k.Secrets, fresh)
		nth = len(k.Secrets) - 1
	}
	if end := sooner(k.KeyWide.Expires, k.Secrets[nth].End); end != 0 && now >= end {
		return nil, errEnded
	}
	var err error
	made.secret, err = s.reissueSecret(k, nth, orDefault(api.SecretBytes, DefaultSecretBytes))
	if err != nil {
		return nil, err
	}
	made.gone = append(made.gone, k.dropEnded(found.key, now)...)
	k.nth = slices.IndexFunc(k.Secrets, func(one Issued) bool { return one.Digest == made.secret.Digest() })
	return made, nil
}

var errEnded = Errorf(KindPrecondition, "key", "the key has ended: it can't be rerolled")

// endCurrent gives the secret that the key is seen as its end after a grace period, where
// another one may take its place.
func (k *Key) endCurrent(now, grace int64) error {
	old := k.issued()
	if end := sooner(k.KeyWide.Expires, old.End); end != 0 && now >= end {
		return errEnded
	}
	old.End = sooner(old.End, min(now+grace, MaxTime))
	for i := range k.Secrets {
		if r := k.Secrets[i].Request; r != nil && now >= r.Until {
			k.Secrets[i].Request = nil
		}
	}
	if k.liveSecrets(now) >= MaxSecrets {
		return Errorf(KindPrecondition, "key", "%d secrets of the key have not ended: delete one, or wait for its end", MaxSecrets)
	}
	return nil
}

// reissueSecret puts a new secret in the place of one of Secrets, with at least as many random bytes
// as the one that the key is seen as, and the same prefix.
func (s *Store) reissueSecret(k *Key, nth, size int) (Secret, error) {
	old, one := k.issued(), &k.Secrets[nth]
	from := Key{Start: old.Start, Prefix: old.Prefix}
	one.SecretBytes = max(size, old.SecretBytes)
	secret, start := newSecret(from.prefix(), one.SecretBytes, false)
	one.Digest, one.Start, one.Prefix, one.Sealed = secret.Digest(), start, "", nil
	if len(old.Sealed) == 0 {
		return secret, nil
	}
	var err error
	one.Sealed, err = s.sealer.seal(&Key{WorkspaceID: k.WorkspaceID, ID: one.ID}, secret)
	return secret, err
}

// dropEnded drops secrets that ended, those that did first, where the record would name more
// than MaxSecrets beside the first one and the one that the key is seen as. It returns them as
// they were read.
func (k *Key) dropEnded(read *Key, now int64) (gone []*Key) {
	for len(k.Secrets) > MaxSecrets+1 {
		first := -1
		for i := 1; i < len(k.Secrets); i++ {
			if i != k.nth && k.Secrets[i].ended(now) && (first < 0 || k.Secrets[i].End < k.Secrets[first].End) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		gone = append(gone, read.byID(k.Secrets[first].ID))
		k.Secrets = slices.Delete(k.Secrets, first, first+1)
		if first < k.nth {
			k.nth--
		}
	}
	return gone
}

// storeReroll stores a rerolled key. It is false, and the new secret gone, where the key was
// changed since it was read.
//
// What leads to the new secret comes first, its pointer next, and the record, by which it
// verifies, last: a crash in between leaves entries that lead to a record which does not name
// it, and readers skip them.
func (s *Store) storeReroll(ctx context.Context, old *stored, made *reissued) (bool, error) {
	record := made.key.toRecord()
	fresh := record.seenAs(made.key.nth)
	if err := s.writeIndex(ctx, []*newKey{{key: fresh}}); err != nil {
		return false, err
	}
	taken, err := s.writePointers(ctx, fresh)
	if err == nil && len(taken) > 0 {
		err = errTaken
	}
	if err != nil {
		return false, err
	}
	done, err := s.put(ctx, old, record, put{})
	if err != nil {
		return false, err
	}
	gone := made.gone
	if !done {
		gone = []*Key{fresh}
	}
	s.removePointers(ctx, true, gone...)
	if made.repeat { // the id goes on leading to the record
		s.removeFromAllLists(ctx, gone)
		s.forgetUse(ctx, gone)
	} else {
		s.removeIndexEntries(ctx, gone...)
	}
	return done, nil
}
