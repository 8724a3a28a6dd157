package store

import (
	"cmp"
	"context"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
)

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
func (s *Store) RerollKey(ctx context.Context, a keys.Access, id string, r Reroll) (rerolled keys.NewKey, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.RerollKey, audit.Resource{Type: "key", ID: id})
	defer end(&err)
	if r.Grace < 0 || r.Grace > keys.MaxTime {
		return keys.NewKey{}, keys.Invalidf("expiration", "milliseconds, from 0 to %d", int64(keys.MaxTime))
	}
	var token []byte
	if r.IdempotencyKey != "" {
		if err := keys.CheckIdempotencyKey(r.IdempotencyKey); err != nil {
			return keys.NewKey{}, err
		}
		token = keys.IdempotencyToken(a, id, r.IdempotencyKey)
	}
	err = catalog.RetryPausing(ctx, func() (bool, error) {
		found, resolved, err := s.Owned(ctx, a, id)
		if err != nil {
			return false, err
		}
		if err := s.mayReroll(a, found.Key); err != nil {
			return false, err
		}
		made, err := s.planReroll(found, resolved.API, r, token)
		if err != nil {
			return false, err
		}
		done, err := s.storeReroll(ctx, found, made)
		if err != nil {
			return false, err
		}
		if done {
			rerolled = keys.NewKey{ID: made.key.IssuedSecret().ID, Secret: made.secret}
			return true, nil
		}
		return false, nil
	})
	return rerolled, err
}

func (s *Records) mayReroll(a keys.Access, k *keys.Key) error {
	if k.Migration != "" {
		return keys.Errorf(keys.KindPrecondition, "key", "the key waits for its migration: it can be rerolled once it was verified")
	}
	if len(k.Sealed) == 0 {
		return nil
	}
	if err := a.Check(k.APIID, keys.EncryptKey); err != nil {
		return err
	}
	if s.sealer == nil {
		return errNoKeyset
	}
	return nil
}

// reissued is a key as a reroll is about to store it, seen as the new secret.
type reissued struct {
	key    *keys.Key
	secret keys.Secret
	repeat bool        // its id is not new
	gone   []*keys.Key // secrets that its record does not name any more
}

// planReroll decides what a reroll does to a key as it was read.
func (s *Records) planReroll(found *Record, api *keys.API, r Reroll, token []byte) (*reissued, error) {
	k, now := found.Key.Editable(), found.Now
	k.UpdatedAt = now
	made := &reissued{key: k}
	nth := k.Repeated(token, now)
	if nth >= 0 {
		if k.Secrets[nth].Request.Grace != r.Grace {
			return nil, keys.Errorf(keys.KindConflict, "key", "the Idempotency-Key was used for another expiration, of %d", k.Secrets[nth].Request.Grace)
		}
		made.repeat, made.gone = true, append(made.gone, found.Key.SeenAs(nth))
	} else {
		if err := k.EndCurrent(now, r.Grace); err != nil {
			return nil, err
		}
		fresh := keys.Issued{ID: keys.NewID(keys.PrefixKey), CreatedAt: now, Disabled: k.IssuedSecret().Disabled}
		if token != nil {
			fresh.Request = &keys.Idempotency{Token: token, Grace: r.Grace, Until: now + keys.IdempotencyLife.Milliseconds()}
		}
		k.Secrets = append(k.Secrets, fresh)
		nth = len(k.Secrets) - 1
	}
	if end := keys.Sooner(k.KeyWide.Expires, k.Secrets[nth].End); end != 0 && now >= end {
		return nil, keys.ErrEnded
	}
	var err error
	made.secret, err = s.reissueSecret(k, nth, cmp.Or(api.SecretBytes, keys.DefaultSecretBytes))
	if err != nil {
		return nil, err
	}
	made.gone = append(made.gone, k.DropEnded(found.Key, now)...)
	k.Select(made.secret.Digest())
	return made, nil
}

// reissueSecret puts a new secret in the place of one of Secrets, with at least as many random bytes
// as the one that the key is seen as, and the same prefix.
func (s *Records) reissueSecret(k *keys.Key, nth, size int) (keys.Secret, error) {
	old, one := k.IssuedSecret(), &k.Secrets[nth]
	from := keys.Key{Start: old.Start, Prefix: old.Prefix}
	one.SecretBytes = max(size, old.SecretBytes)
	secret, start := keys.GenerateSecret(from.SecretPrefix(), one.SecretBytes, false)
	one.Digest, one.Start, one.Prefix, one.Sealed = secret.Digest(), start, "", nil
	if len(old.Sealed) == 0 {
		return secret, nil
	}
	var err error
	one.Sealed, err = s.sealer.seal(&keys.Key{WorkspaceID: k.WorkspaceID, ID: one.ID}, secret)
	return secret, err
}

// storeReroll stores a rerolled key. It is false, and the new secret gone, where the key was
// changed since it was read.
//
// What leads to the new secret comes first, its pointer next, and the record, by which it
// verifies, last: a crash in between leaves entries that lead to a record which does not name
// it, and readers skip them.
func (s *Records) storeReroll(ctx context.Context, old *Record, made *reissued) (bool, error) {
	record := made.key.ToRecord()
	fresh := record.ByID(made.key.IssuedSecret().ID)
	if err := s.writeIndex(ctx, []*NewRecord{{Key: fresh}}); err != nil {
		return false, err
	}
	taken, err := s.writePointers(ctx, fresh)
	if err == nil && len(taken) > 0 {
		err = errTaken
	}
	if err != nil {
		return false, err
	}
	done, err := s.Put(ctx, old, record, Put{})
	if err != nil {
		return false, err
	}
	gone := made.gone
	if !done {
		gone = []*keys.Key{fresh}
	}
	s.removePointers(ctx, true, gone...)
	if made.repeat { // the id goes on leading to the record
		s.removeFromAllLists(ctx, gone)
		s.forgetUse(ctx, gone)
	} else {
		s.RemoveIndexEntries(ctx, gone...)
	}
	return done, nil
}
