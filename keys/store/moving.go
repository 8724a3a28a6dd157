package store

import (
	"cmp"
	"context"
	_ "embed"
	"time"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

//go:embed reserve.lua
var reserveLua string

var reserveScript = redisdb.NewScript(redisdb.StateLua, reserveLua)

// reservationTTL is how long a reservation lives whose process died before the mark. One that
// ends too soon is made anew.
const reservationTTL = time.Minute

// move brings a key that waits for its migration to its new place. It does nothing
// where another plaintext was first, or the place is another key's.
func (s *Records) move(ctx context.Context, old *Record, to *keys.Moving) error {
	return catalog.Retry(func() (bool, error) {
		done, err := s.moveOn(ctx, old, to)
		if done || err != nil {
			return true, err
		}
		again, err := s.LoadAt(ctx, old.Place)
		if err != nil || again == nil || again.Key.ID != old.Key.ID {
			return true, err // another gateway was as quick
		}
		old = again
		return false, nil
	})
}

// moveOn makes the steps up to the mark, or those after it. Where it is not done, the
// old record has to be read again.
func (s *Records) moveOn(ctx context.Context, old *Record, to *keys.Moving) (done bool, err error) {
	marked := old.Key.Moving
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
		_, err = s.mark(ctx, old, &keys.Moving{Digest: to.Digest, Start: to.Start, Reservation: []byte(reservation)})
		return false, err
	case marked != nil:
		_, err = s.mark(ctx, old, nil)
	}
	return true, err
}

// indexedAt reports whether a key's id leads to where it was read.
func (s *Records) indexedAt(ctx context.Context, old *Record) (bool, error) {
	at, err := s.locate(ctx, old.Key.ID)
	if err != nil && keys.AsError(err).Kind == keys.KindNotFound {
		return false, nil
	}
	return at == old.Place, err
}

// reserve returns the revision of a reservation for a key: its own that is there, or a new one; ""
// where the place is taken by something else.
func (s *Records) reserve(ctx context.Context, old *Record, to *keys.Moving) (reserved layout.Revision, err error) {
	k := &keys.Key{
		ID: old.Key.ID, WorkspaceID: old.Key.WorkspaceID, APIID: old.Key.APIID, Digest: to.Digest,
		Migration: old.Key.Migration, CreatedAt: old.Key.CreatedAt, Reserved: true,
	}
	had := layout.Revision("")
	err = catalog.Retry(func() (bool, error) {
		reservation, there, err := s.writeAt(ctx, &NewRecord{Key: k}, had, reservationTTL)
		switch {
		case err != nil || reservation != "" || there == nil || !there.Key.Reserved:
			reserved = reservation
			return true, err
		case there.Key.ID == k.ID:
			reserved = there.Revision
			return true, nil
		}
		had = there.Revision // the reservation of a key that was deleted before it was marked
		return false, nil
	})
	return reserved, err
}

// mark writes into a key's record to which place it moves, or with nil that it does not.
func (s *Records) mark(ctx context.Context, old *Record, to *keys.Moving) (bool, error) {
	k := *old.Key
	k.Moving = to
	return s.Put(audit.Exempt(ctx), old, &k, Put{}) // it stays the same key
}

// fill makes the steps after the mark. It reports whether the key is in its new place.
func (s *Records) fill(ctx context.Context, old *Record) (moved bool, err error) {
	made := &NewRecord{Key: old.moved(), Balance: old.State.Balance, State: &old.State}
	// Older versions marked a key without a reservation.
	filled, there, err := s.writeAt(ctx, made, cmp.Or(layout.Revision(old.Key.Moving.Reservation), catalog.NoRevision), 0)
	if err != nil || filled == "" && !there.is(old.Key.ID) {
		return false, err
	}
	if err := s.writeIndex(ctx, []*NewRecord{made}); err != nil {
		return false, err
	}
	return true, s.removeOld(ctx, old)
}

// moved is the key as it is in its new place.
func (old *Record) moved() *keys.Key {
	k := *old.Key
	k.Digest, k.Start, k.Prefix = k.Moving.Digest, k.Moving.Start, ""
	k.Migration, k.Moving = "", nil
	return &k
}

// writeAt stores a key in its place, if that has a revision now, for a while or for good (0).
// It returns the new revision, or "" and what is there.
func (s *Records) writeAt(ctx context.Context, made *NewRecord, had layout.Revision, life time.Duration) (layout.Revision, *Record, error) {
	at := layout.PlaceOf(made.Key.Digest)
	reply, err := s.Run(ctx, reserveScript, []string{at.Record(), at.Tombstone()}, string(had), made.text(), life.Milliseconds())
	if err != nil {
		return "", nil, err
	}
	there, err := StoredAt(at, redisdb.Text(reply[1]))
	return layout.Revision(redisdb.Text(reply[0])), there, err
}

// StoredAt reads what is stored at a place; nil for "".
func StoredAt(at layout.Place, record string) (*Record, error) {
	if record == "" {
		return nil, nil
	}
	key, state, revision, err := layout.DecodeKey(record)
	if err != nil {
		return nil, err
	}
	return &Record{Key: key, State: state, Revision: revision, Place: at}, nil
}

// is reports whether this is the key with an id, not its reservation.
func (old *Record) is(id string) bool {
	return old != nil && old.Key.ID == id && !old.Key.Reserved
}

// removeOld takes the record of the part away, and the entries that the key had with it.
// The index and other entries lead to the new one already. Where that was deleted
// meanwhile they may have been written once more behind that, and go again.
func (s *Records) removeOld(ctx context.Context, old *Record) error {
	one := removal(old.Place, old.Key.ID, old.Revision)
	reply, err := s.Run(ctx, deleteScript, one.Names, one.Args...)
	if err != nil {
		return err
	}
	k, record, tomb := old.moved(), (*redis.StringCmd)(nil), (*redis.IntCmd)(nil)
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		if reply[0] == nil {
			for _, name := range listsOf(k) {
				p.ZRem(ctx, name, layout.EntryOf(old.Key))
			}
		}
		record, tomb = p.Get(ctx, layout.PlaceOf(k.Digest).Record()), p.Exists(ctx, layout.PlaceOf(k.Digest).Tombstone())
	}); err != nil {
		return nil // the index tells which entry holds
	}
	if there, err := StoredAt(layout.PlaceOf(k.Digest), record.Val()); err == nil && !there.is(k.ID) {
		s.cleanUpDeleted(ctx, tomb.Val() == 0, k)
	}
	return nil
}
