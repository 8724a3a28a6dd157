package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/ratelimit"
	"tollgate/refill"

	"github.com/redis/go-redis/v9"
)

// UpdateKey changes a key of the caller's workspace. What the patch says nothing
// of stays as it is, the balance and the windows as they are at that moment.
func (s *Store) UpdateKey(ctx context.Context, a keys.Access, id string, p keys.KeyPatch) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.UpdateKey, audit.Resource{Type: "key", ID: id})
	defer end(&err)
	return catalog.Retry(func() (bool, error) {
		found, _, err := s.Owned(ctx, a, id)
		if err != nil {
			return false, err
		}
		k, kept, err := s.patched(ctx, a, found, p)
		if err != nil {
			return false, err
		}
		if k.IdentityID != found.Key.IdentityID {
			if err := s.addToLists(ctx, k); err != nil {
				return false, err
			}
		}
		done, err := s.Put(ctx, found, k, kept)
		if err != nil {
			return false, err
		}
		if done {
			s.removeFromLists(ctx, found.Key, k)
			return true, nil
		}
		return false, nil
	})
}

// patched returns the key as the patch makes it, and what becomes of its balance.
func (s *Records) patched(ctx context.Context, a keys.Access, old *Record, p keys.KeyPatch) (*keys.Key, Put, error) {
	k := *old.Key
	// 0 is how a record says never, and nothing that a request may say: a moment that was
	// computed wrongly must not make a key for ever of one that ends.
	if p.Expires.Value != nil && *p.Expires.Value < 1 {
		return nil, Put{}, keys.ErrExpires
	}
	k.Name, k.Meta = p.Name.Or(k.Name), p.Meta.Or(k.Meta)
	if p.Expires.Set {
		k.SetExpires(p.Expires.Or(0))
	}
	if p.Disabled.Set {
		if err := k.SetDisabled(p.Disabled.Or(false)); err != nil {
			return nil, Put{}, err
		}
	}
	k.UpdatedAt = old.Now
	kept, err := changeCredits(&k, p, old.Now)
	if err != nil {
		return nil, Put{}, err
	}
	changeLimits(&k, p)
	if err := cmp.Or(keys.CheckText("name", k.Name, keys.MaxName), keys.CheckMeta(k.Meta), keys.CheckTime("expires", k.Expires),
		keys.KeyLimits.CheckDurations(a, k.Limits, old.Key.Limits), keys.KeyLimits.Check(k.Limits)); err != nil {
		return nil, Put{}, err
	}
	return &k, kept, s.changeRefs(ctx, a, &k, p)
}

// changeCredits applies the patch's balance and refill.
func changeCredits(k *keys.Key, p keys.KeyPatch, now int64) (Put, error) {
	kept := Put{}
	if p.Remaining.Set {
		k.HasCredits, kept.balance = p.Remaining.Value != nil, p.Remaining.Value
		if !k.HasCredits {
			k.Refill, k.RefillSince = nil, 0
		}
	}
	if kept.balance != nil && (*kept.balance < 0 || *kept.balance > keys.MaxCount) {
		return kept, keys.Invalidf("remaining", "a whole number from 0 to %d", int64(keys.MaxCount))
	}
	if !p.Refill.Set {
		return kept, nil
	}
	k.Refill, k.RefillSince = p.Refill.Value, 0
	if k.Refill == nil {
		return kept, nil
	}
	if !k.HasCredits {
		return kept, keys.Invalidf("refill", "a key with unlimited uses can't be refilled: set remaining first")
	}
	k.RefillSince, kept.restart = now, true
	return kept, keys.CheckSchedule(k.Refill)
}

func changeLimits(k *keys.Key, p keys.KeyPatch) {
	limits := slices.Clone(k.Limits)
	if p.Limits.Set {
		limits = p.Limits.Or(nil)
	}
	drop := p.DropLimit
	if p.Limit != nil {
		drop = p.Limit.Name
	}
	limits = slices.DeleteFunc(slices.Clone(limits), func(l ratelimit.Limit) bool { return l.Name == drop })
	if p.Limit != nil {
		limits = append(limits, *p.Limit)
	}
	k.Limits = keys.LimitsWithIDs(limits, k.Limits)
}

// changeRefs applies the patch's permissions, roles and identity. Nothing is made before
// the caller's rights over all of them were checked.
func (s *Records) changeRefs(ctx context.Context, a keys.Access, k *keys.Key, p keys.KeyPatch) (err error) {
	if err := keyPermissions.settable(ctx, s, a, k, p.Permissions); err != nil {
		return err
	}
	if err := keyRoles.settable(ctx, s, a, k, p.Roles); err != nil {
		return err
	}
	if p.Permissions.Set {
		if k.Permissions, err = s.ResolveRefs(ctx, a, catalog.Permissions, "permissions", p.Permissions.Or(nil)); err != nil {
			return err
		}
	}
	if p.Roles.Set {
		if k.Roles, err = s.ResolveRefs(ctx, a, catalog.Roles, "roles", p.Roles.Or(nil)); err != nil {
			return err
		}
	}
	if p.ExternalID.Set {
		k.IdentityID = ""
		if external := p.ExternalID.Or(""); external != "" {
			if err := keys.CheckExternalID("externalId", external); err != nil {
				return err
			}
			ids, err := s.Identify(ctx, a.WorkspaceID, external)
			k.IdentityID = ids[external]
			return err
		}
	}
	return err
}

// addToLists puts a key into the list of its identity, with each of its secrets.
func (s *Records) addToLists(ctx context.Context, k *keys.Key) error {
	return s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, one := range k.BySecret() {
			for _, name := range listsOf(k) {
				layout.AddToList(ctx, p, name, one)
			}
		}
	})
}

// removeFromLists takes a key out of the lists that its new record is not in. Where that
// fails, readers of the list see whose key it is and skip it.
func (s *Records) removeFromLists(ctx context.Context, old, k *keys.Key) {
	lists := listsOf(k)
	_ = s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, name := range listsOf(old) {
			for _, one := range old.BySecret() {
				if !slices.Contains(lists, name) {
					layout.RemoveFromList(ctx, p, name, one)
				}
			}
		}
	})
}

// What UpdateCredits does with its value.
const (
	SetCredits       keys.CreditsOperation = "set"
	IncrementCredits keys.CreditsOperation = "increment"
	DecrementCredits keys.CreditsOperation = "decrement" // not below 0
)

// UpdateCredits changes a key's balance and when it was changed, in one step, and returns the
// new balance, nil for unlimited.
// A nil value sets unlimited, and ends the refill; it can't be added or taken.
func (s *Store) UpdateCredits(ctx context.Context, a keys.Access, id string, op keys.CreditsOperation, value *int64) (balance *int64, schedule *refill.Schedule, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.UpdateCredits, audit.Resource{Type: "key", ID: id})
	defer end(&err)
	if value != nil && (*value < 0 || *value > keys.MaxCount) {
		return nil, nil, keys.Invalidf("value", "a whole number from 0 to %d", int64(keys.MaxCount))
	}
	err = catalog.Retry(func() (bool, error) {
		found, _, err := s.Owned(ctx, a, id)
		if err != nil {
			return false, err
		}
		if op == SetCredits && (value == nil || !found.Key.HasCredits) {
			balance = value
			return true, s.UpdateKey(ctx, a, id, keys.KeyPatch{Remaining: keys.Change[int64]{Set: true, Value: value}})
		}
		switch {
		case value == nil:
			return false, keys.Invalidf("value", "a number to %s by", op)
		case !found.Key.HasCredits:
			return false, keys.Invalidf("keyId", "the key has unlimited uses: there is nothing to %s", op)
		}
		left, done, err := s.moveBalance(ctx, found, op, *value)
		if done {
			balance, schedule = &left, found.Key.Refill
		}
		return done, err
	})
	return balance, schedule, err
}

// recordToStamp returns the record of a key, whichever of its secrets the key is seen as,
// for a script that writes into it when the key was changed, and where the eight bytes of
// that moment begin, counted from one. They are the integer of a CBOR value that needs all
// eight, big-endian.
func recordToStamp(k *keys.Key) (record []byte, at int) {
	k = k.ToRecord()
	one, other := *k, *k
	one.UpdatedAt, other.UpdatedAt = 0x0101_0101_0101_0101, 0x0202_0202_0202_0202
	record = layout.Encode(&one)
	for i, b := range layout.Encode(&other) {
		if b != record[i] {
			return record, i + 1
		}
	}
	panic("keys: a record does not say when its key was changed")
}

// moveBalance reports whether the key was still as it was found.
func (s *Records) moveBalance(ctx context.Context, found *Record, op keys.CreditsOperation, value int64) (int64, bool, error) {
	left := audit.Left{Before: found.balance()}
	changed := func() []audit.Changed { return audit.KeyChanged(found.Key, found.Key, left) }
	if err := audit.Intend(ctx, true, changed); err != nil {
		return 0, false, err
	}
	record, at := recordToStamp(found.Key)
	args := append([]any{string(found.Revision)}, scheduleArgs(found.Key.Refill)...)
	args = append(args, string(op), value, string(record), at)
	reply, err := s.Run(ctx, creditsScript, []string{found.Place.Record()}, args...)
	if err != nil || reply[0] == nil {
		return 0, false, err
	}
	if redisdb.Text(reply[0]) == "" {
		return 0, false, keys.Invalidf("value", "the balance would pass %d", int64(keys.MaxCount))
	}
	balance, err := strconv.ParseInt(redisdb.Text(reply[0]), 10, 64)
	left.After = &balance
	audit.Correct(ctx, changed)
	return balance, err == nil, err
}

// DeleteKey takes a key of the caller's workspace away, at once on every gateway; of a
// rerolled key the secret with that id, by the law of ids. Unless it is permanent, a
// tombstone keeps its secret taken; a permanent deletion removes that as well, also of a
// key that was deleted before.
func (s *Store) DeleteKey(ctx context.Context, a keys.Access, id string, permanent bool) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.DeleteKey, audit.Resource{Type: "key", ID: id})
	defer end(&err)
	return catalog.Retry(func() (bool, error) {
		found, _, err := s.Owned(ctx, a, id)
		if permanent && err != nil && keys.AsError(err).Kind == keys.KindNotFound {
			return true, s.deleteTombstone(ctx, a, id)
		}
		if err != nil {
			return false, err
		}
		err = s.deleteRecord(ctx, found, permanent)
		if errors.Is(err, catalog.ErrBusy) {
			return false, nil
		}
		return true, err
	})
}

// deleteRecord takes a key away: the record first, because it is what verifies, then what
// leads to it. It is errBusy where the key was changed since it was read.
func (s *Records) deleteRecord(ctx context.Context, found *Record, permanent bool) error {
	if rest := found.Key.Without(permanent); rest != nil {
		return s.revoke(ctx, found, rest, permanent)
	}
	if err := audit.Intend(ctx, true, func() []audit.Changed { return deleted(found) }); err != nil {
		return err
	}
	if err := s.forgetFirst(ctx, permanent, found); err != nil {
		return err
	}
	one := s.deletion(found, permanent)
	reply, err := s.Run(ctx, deleteScript, one.Names, one.Args...)
	if err != nil {
		return err
	}
	if reply[0] != nil {
		return catalog.ErrBusy
	}
	s.cleanUpDeleted(ctx, permanent, found.Key.AllSecrets()...)
	return nil
}

// cleanUpDeleted tidies up behind secrets that were taken away.
func (s *Records) cleanUpDeleted(ctx context.Context, permanent bool, gone ...*keys.Key) {
	s.removePointers(ctx, permanent, gone...)
	if permanent {
		s.RemoveIndexEntries(ctx, gone...)
	} else {
		s.retireEntries(ctx, slices.DeleteFunc(gone, (*keys.Key).Erased)...)
	}
}

// deleted is what the audit log says of keys that are deleted.
func deleted(found ...*Record) (all []audit.Changed) {
	for _, one := range found {
		all = append(all, audit.KeyChanged(one.Key, nil, audit.Left{})...)
	}
	return all
}

// deletion is the script call that takes a key away, if it is still as it was read.
func (s *Records) deletion(found *Record, permanent bool) redisdb.Invocation {
	if permanent {
		return removal(found.Place, found.Key.RecordID(), found.Revision)
	}
	return s.Replacement(found.Place.Record(), found)
}

// removal is the script call that takes away what is at a place with a revision, with the
// counters that requests made of the key.
func removal(at layout.Place, keyID string, p layout.Revision) redisdb.Invocation {
	return redisdb.Invocation{Names: []string{at.Record(), at.Tombstone(), at.Kept(), at.CounterIndex(keyID)}, Args: []any{string(p), "", 0}}
}

// Remove takes a record away, with what else is beside it under these names. It reports
// whether the record was still as it was read.
func (s *Records) Remove(ctx context.Context, found *Record, beside ...string) (bool, error) {
	if err := audit.Intend(ctx, true, func() []audit.Changed { return deleted(found) }); err != nil {
		return false, err
	}
	one := removal(found.Place, found.Key.ID, found.Revision)
	reply, err := s.Run(ctx, deleteScript, append(one.Names, beside...), one.Args...)
	return err == nil && reply[0] == nil, err
}

// RunDeletions runs the calls of Replacement, and others of the same script.
func (s *Records) RunDeletions(ctx context.Context, calls []redisdb.Invocation) error {
	_, err := s.RunAll(ctx, deleteScript, calls)
	return err
}

// Replacement is the script call that puts a tombstone in the place of a key whose
// record has a name.
func (s *Records) Replacement(record string, found *Record) redisdb.Invocation {
	at, first, left := found.Place, found.Key.AllSecrets()[0], ""
	if first.AsStored() == nil || !first.IssuedSecret().Erased {
		left = TombstoneOf(first).Text()
	}
	return redisdb.Invocation{Names: []string{record, at.Tombstone(), at.Kept(), at.CounterIndex(found.Key.RecordID())}, Args: []any{string(found.Revision), left, s.deletedRetention.Milliseconds()}}
}
