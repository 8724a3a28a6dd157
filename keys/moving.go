package keys

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/go-redis/v9"
)

// A key of a migration moves, when its whole plaintext is first presented, from the place
// of its part's digest to the place of the plaintext's, which is in another slot:
//
//	hold    the new place gets a berth, a record that is no key and expires
//	mark    the old record says where it goes on, and in which berth
//	fill    the key takes the place of that berth, and verifies
//	lead    its id and the lists lead to the new place
//	unmoor  the old record is taken away
//
// From the mark on nothing of the key changes in its old place: a change that was under
// way finds that the record is another one, and who means to change or delete it then
// moves it first. Several may do it at once, and one after another that died.
//
// The law: a berth is filled once, and only the one that the mark names. So whoever read
// the mark long ago can't store a key that was moved and deleted meanwhile. Another berth
// is taken only while the id leads to the old place: of what was filled and then deleted,
// it does not any more.

//go:embed berth.lua
var berthLua string

var berthScript = NewScript(berthLua)

// berthLife is for how long a berth is kept whose maker died before the mark. One that
// ends too soon is made anew.
const berthLife = time.Minute

// move brings a key that waits for its migration to where it goes on. It does nothing
// where another plaintext was first, or the place is another key's.
func (s *Store) move(ctx context.Context, old *stored, to *Moving) error {
	for range tries {
		done, err := s.moveOn(ctx, old, to)
		if done || err != nil {
			return err
		}
		again, err := s.loadAt(ctx, old.place)
		if err != nil || again == nil || again.key.ID != old.key.ID {
			return err // another gateway was as quick
		}
		old = again
	}
	return Unavailable(errBusy)
}

// moveOn makes the steps up to the mark, or those behind it. Where it is not done, the
// old record has to be read again.
func (s *Store) moveOn(ctx context.Context, old *stored, to *Moving) (done bool, err error) {
	marked := old.key.Moving
	if marked != nil {
		if marked.Digest != to.Digest {
			return true, nil
		}
		if landed, err := s.fill(ctx, old); landed || err != nil {
			return landed, err
		}
	}
	there, err := s.leadsTo(ctx, old)
	if err != nil || !there {
		if err == nil && marked != nil {
			err = s.unmoor(ctx, old) // it was deleted, and this is left from a crash
		}
		return true, err
	}
	berth, err := s.hold(ctx, old, to)
	switch {
	case err != nil:
		return false, err
	case berth != "":
		_, err = s.mark(ctx, old, &Moving{to.Digest, to.Start, []byte(berth)})
		return false, err
	case marked != nil:
		_, err = s.mark(ctx, old, nil)
	}
	return true, err
}

// leadsTo tells whether a key's id leads to where it was read.
func (s *Store) leadsTo(ctx context.Context, old *stored) (bool, error) {
	at, err := s.locate(ctx, old.key.ID)
	if err != nil && AsError(err).Kind == KindNotFound {
		return false, nil
	}
	return at == old.place, err
}

// hold gives the prefix of a berth for a key: its own that is there, or a new one; ""
// where the place is taken by something else.
func (s *Store) hold(ctx context.Context, old *stored, to *Moving) (Prefix, error) {
	k := &Key{
		ID: old.key.ID, WorkspaceID: old.key.WorkspaceID, APIID: old.key.APIID, Digest: to.Digest,
		Migration: old.key.Migration, CreatedAt: old.key.CreatedAt, Held: true,
	}
	had := Prefix("")
	for range tries {
		berth, there, err := s.moor(ctx, &newKey{key: k}, had, berthLife)
		switch {
		case err != nil || berth != "" || there == nil || !there.key.Held:
			return berth, err
		case there.key.ID == k.ID:
			return there.prefix, nil
		}
		had = there.prefix // the berth of a key that was deleted before it was marked
	}
	return "", Unavailable(errBusy)
}

// mark says in a key's record where it goes on, or with nil that it does not.
func (s *Store) mark(ctx context.Context, old *stored, to *Moving) (bool, error) {
	k := *old.key
	k.Moving = to
	return s.put(ctx, old, &k, put{})
}

// fill makes the steps behind the mark. It tells whether the key is in its new place.
func (s *Store) fill(ctx context.Context, old *stored) (landed bool, err error) {
	made := &newKey{key: old.moved(), balance: old.state.Balance, state: &old.state}
	// Older versions marked without a berth.
	filled, there, err := s.moor(ctx, made, orElse(Prefix(old.key.Moving.Berth), unseen), 0)
	if err != nil || filled == "" && !there.is(old.key.ID) {
		return false, err
	}
	if err := s.lead(ctx, []*newKey{made}); err != nil {
		return false, err
	}
	return true, s.unmoor(ctx, old)
}

// moved is the key as it is in its new place.
func (old *stored) moved() *Key {
	k := *old.key
	k.Digest, k.Start, k.Prefix = k.Moving.Digest, k.Moving.Start, ""
	k.Migration, k.Moving = "", nil
	return &k
}

// moor stores a key in its place, if that has a prefix now, for a while or for good (0).
// It gives the new prefix, or "" and what is there.
func (s *Store) moor(ctx context.Context, made *newKey, had Prefix, life time.Duration) (Prefix, *stored, error) {
	at := made.key.Digest.place()
	reply, err := s.run(ctx, berthScript, []string{at.record(), at.grave()}, string(had), made.text(), life.Milliseconds())
	if err != nil {
		return "", nil, err
	}
	there, err := storedAt(at, text(reply[1]))
	return Prefix(text(reply[0])), there, err
}

// storedAt reads what is stored at a place; nil for "".
func storedAt(at place, record string) (*stored, error) {
	if record == "" {
		return nil, nil
	}
	key, state, prefix, err := DecodeKey(record)
	if err != nil {
		return nil, err
	}
	return &stored{key: key, state: state, prefix: prefix, place: at}, nil
}

// is tells whether this is the key with an id, not its berth.
func (old *stored) is(id string) bool {
	return old != nil && old.key.ID == id && !old.key.Held
}

// unmoor takes the record of the part away, and the entries that the key had with it.
// The index and other entries lead to the new one already. Where that was deleted
// meanwhile they may have been written once more behind that, and go again.
func (s *Store) unmoor(ctx context.Context, old *stored) error {
	one := removal(old.place, old.key.ID, old.prefix)
	reply, err := s.run(ctx, buryScript, one.names, one.args...)
	if err != nil {
		return err
	}
	k, record, tomb := old.moved(), (*redis.StringCmd)(nil), (*redis.IntCmd)(nil)
	if err := s.pipelined(ctx, func(p redis.Pipeliner) {
		if reply[0] == nil {
			for _, name := range listsOf(k) {
				p.ZRem(ctx, name, entryOf(old.key))
			}
		}
		record, tomb = p.Get(ctx, k.Digest.place().record()), p.Exists(ctx, k.Digest.place().grave())
	}); err != nil {
		return nil // the index tells which entry holds
	}
	if there, err := storedAt(k.Digest.place(), record.Val()); err == nil && !there.is(k.ID) {
		s.deleted(ctx, tomb.Val() == 0, k)
	}
	return nil
}
