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
//	           reserve             mark               fill            removeOld
//	waiting ------------> reserved -------> marked -----------> filled -----------> moved
//	   ^                      |                |
//	   +---- it expires ------+                +--- deleted meanwhile: removeOld
//
//	reserve    the new place gets a reservation: a record that is no key and expires
//	mark       the old record names the new place and the reservation there
//	fill       the key replaces that reservation, verifies, and its id and its lists
//	           lead to the new place (writeIndex)
//	removeOld  the old record is deleted
//
// From the mark on nothing of the key changes in its old place: a change that was under
// way finds that the record is another one, and who means to change or delete it then
// moves it first. Several may do it at once, and one after another that died.
//
// The law: a reservation is filled once, and only the one that the mark names. So a
// process that read the mark long ago can't store a key that was moved and deleted
// meanwhile. Another reservation is made only while the id leads to the old place: the id
// of a key that was filled and then deleted does not any more.

//go:embed reserve.lua
var reserveLua string

var reserveScript = NewScript(reserveLua)

// reservationTTL is how long a reservation lives whose process died before the mark. One that
// ends too soon is made anew.
const reservationTTL = time.Minute

// move brings a key that waits for its migration to its new place. It does nothing
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

// moveOn makes the steps up to the mark, or those after it. Where it is not done, the
// old record has to be read again.
func (s *Store) moveOn(ctx context.Context, old *stored, to *Moving) (done bool, err error) {
	marked := old.key.Moving
	if marked != nil {
		if marked.Digest != to.Digest {
			return true, nil
		}
		if moved, err := s.fill(ctx, old); moved || err != nil {
			return moved, err
		}
	}
	there, err := s.indexedAt(ctx, old)
	if err != nil || !there {
		if err == nil && marked != nil {
			err = s.removeOld(ctx, old) // it was deleted, and this is left from a crash
		}
		return true, err
	}
	reservation, err := s.reserve(ctx, old, to)
	switch {
	case err != nil:
		return false, err
	case reservation != "":
		_, err = s.mark(ctx, old, &Moving{to.Digest, to.Start, []byte(reservation)})
		return false, err
	case marked != nil:
		_, err = s.mark(ctx, old, nil)
	}
	return true, err
}

// indexedAt reports whether a key's id leads to where it was read.
func (s *Store) indexedAt(ctx context.Context, old *stored) (bool, error) {
	at, err := s.locate(ctx, old.key.ID)
	if err != nil && AsError(err).Kind == KindNotFound {
		return false, nil
	}
	return at == old.place, err
}

// reserve returns the revision of a reservation for a key: its own that is there, or a new one; ""
// where the place is taken by something else.
func (s *Store) reserve(ctx context.Context, old *stored, to *Moving) (Revision, error) {
	k := &Key{
		ID: old.key.ID, WorkspaceID: old.key.WorkspaceID, APIID: old.key.APIID, Digest: to.Digest,
		Migration: old.key.Migration, CreatedAt: old.key.CreatedAt, Reserved: true,
	}
	had := Revision("")
	for range tries {
		reservation, there, err := s.writeAt(ctx, &newKey{key: k}, had, reservationTTL)
		switch {
		case err != nil || reservation != "" || there == nil || !there.key.Reserved:
			return reservation, err
		case there.key.ID == k.ID:
			return there.revision, nil
		}
		had = there.revision // the reservation of a key that was deleted before it was marked
	}
	return "", Unavailable(errBusy)
}

// mark writes into a key's record to which place it moves, or with nil that it does not.
func (s *Store) mark(ctx context.Context, old *stored, to *Moving) (bool, error) {
	k := *old.key
	k.Moving = to
	return s.put(ctx, old, &k, put{})
}

// fill makes the steps after the mark. It reports whether the key is in its new place.
func (s *Store) fill(ctx context.Context, old *stored) (moved bool, err error) {
	made := &newKey{key: old.moved(), balance: old.state.Balance, state: &old.state}
	// Older versions marked a key without a reservation.
	filled, there, err := s.writeAt(ctx, made, orDefault(Revision(old.key.Moving.Reservation), noRevision), 0)
	if err != nil || filled == "" && !there.is(old.key.ID) {
		return false, err
	}
	if err := s.writeIndex(ctx, []*newKey{made}); err != nil {
		return false, err
	}
	return true, s.removeOld(ctx, old)
}

// moved is the key as it is in its new place.
func (old *stored) moved() *Key {
	k := *old.key
	k.Digest, k.Start, k.Prefix = k.Moving.Digest, k.Moving.Start, ""
	k.Migration, k.Moving = "", nil
	return &k
}

// writeAt stores a key in its place, if that has a revision now, for a while or for good (0).
// It returns the new revision, or "" and what is there.
func (s *Store) writeAt(ctx context.Context, made *newKey, had Revision, life time.Duration) (Revision, *stored, error) {
	at := made.key.Digest.place()
	reply, err := s.run(ctx, reserveScript, []string{at.record(), at.tombstone()}, string(had), made.text(), life.Milliseconds())
	if err != nil {
		return "", nil, err
	}
	there, err := storedAt(at, text(reply[1]))
	return Revision(text(reply[0])), there, err
}

// storedAt reads what is stored at a place; nil for "".
func storedAt(at place, record string) (*stored, error) {
	if record == "" {
		return nil, nil
	}
	key, state, revision, err := DecodeKey(record)
	if err != nil {
		return nil, err
	}
	return &stored{key: key, state: state, revision: revision, place: at}, nil
}

// is reports whether this is the key with an id, not its reservation.
func (old *stored) is(id string) bool {
	return old != nil && old.key.ID == id && !old.key.Reserved
}

// removeOld takes the record of the part away, and the entries that the key had with it.
// The index and other entries lead to the new one already. Where that was deleted
// meanwhile they may have been written once more behind that, and go again.
func (s *Store) removeOld(ctx context.Context, old *stored) error {
	one := removal(old.place, old.key.ID, old.revision)
	reply, err := s.run(ctx, deleteScript, one.names, one.args...)
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
		record, tomb = p.Get(ctx, k.Digest.place().record()), p.Exists(ctx, k.Digest.place().tombstone())
	}); err != nil {
		return nil // the index tells which entry holds
	}
	if there, err := storedAt(k.Digest.place(), record.Val()); err == nil && !there.is(k.ID) {
		s.cleanUpDeleted(ctx, tomb.Val() == 0, k)
	}
	return nil
}
