package keys

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"tollgate/ratelimit"
	"tollgate/refill"

	"github.com/redis/go-redis/v9"
)

// Change is what a request says of a field: nothing (the zero Change), that it is
// cleared (Set, no Value), or its new value.
type Change[T any] struct {
	Set   bool
	Value *T
}

// To is the change to a value.
func To[T any](value T) Change[T] { return Change[T]{true, &value} }

// Cleared is the change that clears a field.
func Cleared[T any]() Change[T] { return Change[T]{Set: true} }

// or returns the new value, or the old one where nothing is said; cleared is zero.
func (c Change[T]) or(old T) T {
	switch {
	case !c.Set:
		return old
	case c.Value == nil:
		var zero T
		return zero
	}
	return *c.Value
}

// KeyPatch says what changes about a key.
type KeyPatch struct {
	Name        Change[string]
	ExternalID  Change[string]
	Meta        Change[[]byte]
	Expires     Change[int64] // unix ms, 1 or more, which may have passed; cleared: never
	Remaining   Change[int64] // cleared: unlimited, without a refill
	Refill      Change[refill.Schedule]
	Limits      Change[[]ratelimit.Limit] // all of them
	Limit       *ratelimit.Limit          // set the one with this name
	DropLimit   string                    // remove the one with this name
	Disabled    Change[bool]
	Roles       Change[[]Ref]
	Permissions Change[[]Ref]
}

// UpdateKey changes a key of the caller's workspace. What the patch says nothing
// of stays as it is, the balance and the windows as they are at that moment.
func (s *Store) UpdateKey(ctx context.Context, a Access, id string, p KeyPatch) error {
	for range tries {
		found, _, err := s.owned(ctx, a, id)
		if err != nil {
			return err
		}
		k, kept, err := s.patched(ctx, a, found, p)
		if err != nil {
			return err
		}
		if k.IdentityID != found.key.IdentityID {
			if err := s.addToLists(ctx, k); err != nil {
				return err
			}
		}
		done, err := s.put(ctx, found, k, kept)
		if err != nil {
			return err
		}
		if done {
			s.removeFromLists(ctx, found.key, k)
			return nil
		}
	}
	return Unavailable(errBusy)
}

// patched returns the key as the patch makes it, and what becomes of its balance.
func (s *Store) patched(ctx context.Context, a Access, old *stored, p KeyPatch) (*Key, put, error) {
	k := *old.key
	// 0 is how a record says never, and nothing that a request may say: a moment that was
	// computed wrongly must not make a key for ever of one that ends.
	if p.Expires.Value != nil && *p.Expires.Value < 1 {
		return nil, put{}, errExpires
	}
	k.Name, k.Meta = p.Name.or(k.Name), p.Meta.or(k.Meta)
	if p.Expires.Set {
		k.setExpires(p.Expires.or(0))
	}
	if p.Disabled.Set {
		if err := k.setDisabled(p.Disabled.or(false)); err != nil {
			return nil, put{}, err
		}
	}
	k.UpdatedAt = old.now
	kept, err := k.changeCredits(p, old.now)
	if err != nil {
		return nil, put{}, err
	}
	k.changeLimits(p)
	if err := firstError(checkText("name", k.Name, MaxName), checkMeta(k.Meta), checkTime("expires", k.Expires),
		a.checkDurations(k.Limits, old.key.Limits, keyDuration), checkLimits(k.Limits)); err != nil {
		return nil, put{}, err
	}
	return &k, kept, s.changeRefs(ctx, a, &k, p)
}

// changeCredits applies the patch's balance and refill.
func (k *Key) changeCredits(p KeyPatch, now int64) (put, error) {
	kept := put{}
	if p.Remaining.Set {
		k.HasCredits, kept.balance = p.Remaining.Value != nil, p.Remaining.Value
		if !k.HasCredits {
			k.Refill, k.RefillSince = nil, 0
		}
	}
	if kept.balance != nil && (*kept.balance < 0 || *kept.balance > MaxCount) {
		return kept, Invalidf("remaining", "a whole number from 0 to %d", int64(MaxCount))
	}
	if !p.Refill.Set {
		return kept, nil
	}
	k.Refill, k.RefillSince = p.Refill.Value, 0
	if k.Refill == nil {
		return kept, nil
	}
	if !k.HasCredits {
		return kept, Invalidf("refill", "a key with unlimited uses can't be refilled: set remaining first")
	}
	k.RefillSince, kept.restart = now, true
	return kept, checkSchedule(k.Refill)
}

func (k *Key) changeLimits(p KeyPatch) {
	limits := slices.Clone(k.Limits)
	if p.Limits.Set {
		limits = p.Limits.or(nil)
	}
	drop := p.DropLimit
	if p.Limit != nil {
		drop = p.Limit.Name
	}
	limits = slices.DeleteFunc(slices.Clone(limits), func(l ratelimit.Limit) bool { return l.Name == drop })
	if p.Limit != nil {
		limits = append(limits, *p.Limit)
	}
	k.Limits = limitsWithIDs(limits, k.Limits)
}

// changeRefs applies the patch's permissions, roles and identity. Nothing is made before
// the caller's rights over all of them were checked.
func (s *Store) changeRefs(ctx context.Context, a Access, k *Key, p KeyPatch) (err error) {
	if err := keyPermissions.settable(ctx, s, a, k, p.Permissions); err != nil {
		return err
	}
	if err := keyRoles.settable(ctx, s, a, k, p.Roles); err != nil {
		return err
	}
	if p.Permissions.Set {
		if k.Permissions, err = s.resolveRefs(ctx, a, permissions, "permissions", p.Permissions.or(nil)); err != nil {
			return err
		}
	}
	if p.Roles.Set {
		if k.Roles, err = s.resolveRefs(ctx, a, roles, "roles", p.Roles.or(nil)); err != nil {
			return err
		}
	}
	if p.ExternalID.Set {
		k.IdentityID = ""
		if external := p.ExternalID.or(""); external != "" {
			if err := CheckExternalID("externalId", external); err != nil {
				return err
			}
			k.IdentityID, err = s.identify(ctx, a, external)
		}
	}
	return err
}

// addToLists puts a key into the list of its identity, with each of its secrets.
func (s *Store) addToLists(ctx context.Context, k *Key) error {
	return s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, one := range k.BySecret() {
			for _, name := range listsOf(k) {
				addToList(ctx, p, name, one)
			}
		}
	})
}

// removeFromLists takes a key out of the lists that its new record is not in. Where that
// fails, readers of the list see whose key it is and skip it.
func (s *Store) removeFromLists(ctx context.Context, old, k *Key) {
	lists := listsOf(k)
	_ = s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, name := range listsOf(old) {
			for _, one := range old.BySecret() {
				if !slices.Contains(lists, name) {
					removeFromList(ctx, p, name, one)
				}
			}
		}
	})
}

// CreditsOperation is what UpdateCredits does with its value.
type CreditsOperation string

// What UpdateCredits does with its value.
const (
	SetCredits       CreditsOperation = "set"
	IncrementCredits CreditsOperation = "increment"
	DecrementCredits CreditsOperation = "decrement" // not below 0
)

// UpdateCredits changes a key's balance and when it was changed, in one step, and returns the
// new balance, nil for unlimited.
// A nil value sets unlimited, and ends the refill; it can't be added or taken.
func (s *Store) UpdateCredits(ctx context.Context, a Access, id string, op CreditsOperation, value *int64) (*int64, *refill.Schedule, error) {
	if value != nil && (*value < 0 || *value > MaxCount) {
		return nil, nil, Invalidf("value", "a whole number from 0 to %d", int64(MaxCount))
	}
	for range tries {
		found, _, err := s.owned(ctx, a, id)
		if err != nil {
			return nil, nil, err
		}
		if op == SetCredits && (value == nil || !found.key.HasCredits) {
			remaining := Change[int64]{true, value}
			return value, nil, s.UpdateKey(ctx, a, id, KeyPatch{Remaining: remaining})
		}
		switch {
		case value == nil:
			return nil, nil, Invalidf("value", "a number to %s by", op)
		case !found.key.HasCredits:
			return nil, nil, Invalidf("keyId", "the key has unlimited uses: there is nothing to %s", op)
		}
		balance, done, err := s.moveBalance(ctx, found, op, *value)
		if err != nil || done {
			return &balance, found.key.Refill, err
		}
	}
	return nil, nil, Unavailable(errBusy)
}

// recordToStamp returns the key's record for a script that writes into it when the key was
// changed, and where the eight bytes of that moment begin, counted from one. They are the
// integer of a CBOR value that needs all eight, big-endian.
func (k *Key) recordToStamp() (record []byte, at int) {
	one, other := *k, *k
	one.UpdatedAt, other.UpdatedAt = 0x0101_0101_0101_0101, 0x0202_0202_0202_0202
	record = encode(&one)
	for i, b := range encode(&other) {
		if b != record[i] {
			return record, i + 1
		}
	}
	panic("keys: a record does not say when its key was changed")
}

// moveBalance reports whether the key was still as it was found.
func (s *Store) moveBalance(ctx context.Context, found *stored, op CreditsOperation, value int64) (int64, bool, error) {
	record, at := found.key.recordToStamp()
	args := append([]any{string(found.revision)}, scheduleArgs(found.key.Refill)...)
	args = append(args, string(op), value, string(record), at)
	reply, err := s.run(ctx, creditsScript, []string{found.place.record()}, args...)
	if err != nil || reply[0] == nil {
		return 0, false, err
	}
	if text(reply[0]) == "" {
		return 0, false, Invalidf("value", "the balance would pass %d", int64(MaxCount))
	}
	balance, err := strconv.ParseInt(text(reply[0]), 10, 64)
	return balance, err == nil, err
}

// DeleteKey takes a key of the caller's workspace away, at once on every gateway; of a
// rerolled key the secret with that id, by the law of ids. Unless it is permanent, a
// tombstone keeps its secret taken; a permanent deletion removes that as well, also of a
// key that was deleted before.
func (s *Store) DeleteKey(ctx context.Context, a Access, id string, permanent bool) error {
	for range tries {
		found, _, err := s.owned(ctx, a, id)
		if permanent && err != nil && AsError(err).Kind == KindNotFound {
			return s.deleteTombstone(ctx, a, id)
		}
		if err != nil {
			return err
		}
		err = s.deleteRecord(ctx, found, permanent)
		if !errors.Is(err, errBusy) {
			return err
		}
	}
	return Unavailable(errBusy)
}

// deleteRecord takes a key away: the record first, because it is what verifies, then what
// leads to it. It is errBusy where the key was changed since it was read.
func (s *Store) deleteRecord(ctx context.Context, found *stored, permanent bool) error {
	if rest := found.key.without(permanent); rest != nil {
		return s.revoke(ctx, found, rest, permanent)
	}
	if err := s.forgetFirst(ctx, permanent, found); err != nil {
		return err
	}
	one := s.deletion(found, permanent)
	reply, err := s.run(ctx, deleteScript, one.names, one.args...)
	if err != nil {
		return err
	}
	if reply[0] != nil {
		return errBusy
	}
	s.cleanUpDeleted(ctx, permanent, found.key.allSecrets()...)
	return nil
}

// cleanUpDeleted tidies up behind secrets that were taken away.
func (s *Store) cleanUpDeleted(ctx context.Context, permanent bool, gone ...*Key) {
	s.removePointers(ctx, permanent, gone...)
	if permanent {
		s.removeIndexEntries(ctx, gone...)
	} else {
		s.retireEntries(ctx, slices.DeleteFunc(gone, (*Key).erased)...)
	}
}

// deletion is the script call that takes a key away, if it is still as it was read.
func (s *Store) deletion(found *stored, permanent bool) invocation {
	if permanent {
		return removal(found.place, found.key.RecordID(), found.revision)
	}
	return s.replacement(found.place.record(), found)
}

// removal is the script call that takes away what is at a place with a revision, with the
// counters that requests made of the key.
func removal(at place, keyID string, p Revision) invocation {
	return invocation{[]string{at.record(), at.tombstone(), at.kept(), at.counterIndex(keyID)}, []any{string(p), "", 0}}
}

// replacement is the script call that puts a tombstone in the place of a key whose
// record has a name.
func (s *Store) replacement(record string, found *stored) invocation {
	at, first, left := found.place, found.key.allSecrets()[0], ""
	if first.record == nil || !first.issued().Erased {
		left = tombstoneOf(first).text()
	}
	return invocation{[]string{record, at.tombstone(), at.kept(), at.counterIndex(found.key.RecordID())}, []any{string(found.revision), left, s.deletedRetention.Milliseconds()}}
}
