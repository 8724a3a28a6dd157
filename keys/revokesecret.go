package keys

import (
	"context"
	_ "embed"
	"slices"

	"github.com/redis/go-redis/v9"
)

//go:embed reindex.lua
var reindexLua string

var reindexScript = NewScript(fullLua, reindexLua)

// revoke takes one secret away from a key that goes on: by one write of the record, which
// does not name it any more.
func (s *Store) revoke(ctx context.Context, found *stored, rest *Key, permanent bool) error {
	rest.UpdatedAt = found.now
	done, err := s.put(ctx, found, rest, put{})
	if err != nil {
		return err
	}
	if !done {
		return errBusy
	}
	if k := found.key; k.ID == k.RecordID() { // its id goes on naming what is counted for the key
		s.removeFromAllLists(ctx, []*Key{k})
		s.forgetUse(ctx, []*Key{k})
	} else {
		s.cleanUpDeleted(ctx, permanent, k)
	}
	return nil
}

// unrevoke takes back, in a record, by what its secrets are less than they were: some are
// deleted, disabled or end sooner.
func (k *Key) unrevoke(old *Key) {
	if len(old.Secrets) == 0 || len(k.Secrets) == 0 {
		return
	}
	k.KeyWide = &KeyWide{k.KeyWide.Expires, k.KeyWide.Disabled && old.KeyWide.Disabled}
	if sooner(k.KeyWide.Expires, old.KeyWide.Expires) == k.KeyWide.Expires {
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
		if s.Disabled = s.Disabled && was.Disabled; sooner(s.End, was.End) == s.End {
			s.End = was.End
		}
		all = append(all, s)
	}
	for _, s := range k.Secrets {
		if old.byID(s.ID) == nil && !s.Deleted {
			all = append(all, s)
		}
	}
	k.Secrets = all
}

// erased reports whether the key, seen as its first secret, was deleted for good by that id.
func (k *Key) erased() bool { return k.record != nil && k.issued().Erased }

// forgetFirst removes the index's entries of first secrets that were deleted before the rest
// of their keys, and leave no tombstone, ahead of that: nothing else leads to them.
func (s *Store) forgetFirst(ctx context.Context, permanent bool, all ...*stored) error {
	var names []string
	for _, one := range all {
		if k := one.key; len(k.Secrets) > 0 && k.Secrets[0].Deleted && (permanent || k.Secrets[0].Erased) {
			names = append(names, indexName(k.RecordID()))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, name := range names {
			p.Del(ctx, name)
		}
	})
}

// markFirstErased notes that a first secret, which was deleted before the rest of its key, is
// deleted for good: its place is free when the key is deleted.
func (s *Store) markFirstErased(ctx context.Context, a Access, id string, at place) error {
	for range tries {
		found, err := s.loadAt(ctx, at)
		if err != nil {
			return err
		}
		if found == nil || len(found.key.Secrets) == 0 || found.key.ID != id || !found.key.Secrets[0].Deleted || found.key.Secrets[0].Erased {
			return keyNotFound(id)
		}
		if _, err := s.authorizeKey(ctx, a, found); err != nil {
			return err
		}
		k := found.key.seenAs(0).editable()
		k.issued().Erased = true
		if done, err := s.put(ctx, found, k, put{}); done || err != nil {
			return err
		}
	}
	return Unavailable(errBusy)
}
