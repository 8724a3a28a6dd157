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

// RerollKey makes a key in the place of one of the caller's workspace: a new id and
// secret, and everything else as it is now, the prefix, the balance and the counts
// of its limits included. The old key ends after so many ms, by the store's clock,
// or when it would have anyway; with 0 at once.
func (s *Store) RerollKey(ctx context.Context, a Access, id string, after int64) (NewKey, error) {
	if after < 0 || after > MaxTime {
		return NewKey{}, Invalidf("expiration", "milliseconds, from 0 to %d", int64(MaxTime))
	}
	for range tries {
		found, resolved, err := s.owned(ctx, a, id)
		if err != nil {
			return NewKey{}, err
		}
		if err := s.mayReroll(a, found.key); err != nil {
			return NewKey{}, err
		}
		made, secret, err := s.reminted(found, resolved.API)
		if err != nil {
			return NewKey{}, err
		}
		done, err := s.replace(ctx, found, made, after)
		if err != nil {
			return NewKey{}, err
		}
		if done {
			return NewKey{made.key.ID, secret}, nil
		}
	}
	return NewKey{}, Unavailable(errBusy)
}

func (s *Store) mayReroll(a Access, k *Key) error {
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

// reminted copies a key under a new id and secret.
func (s *Store) reminted(old *stored, api *API) (*newKey, Secret, error) {
	k := *old.key
	secret, start := mint(k.prefix(), orElse(api.SecretBytes, DefaultSecretBytes), false)
	k.ID, k.Digest, k.Start, k.Prefix = NewID(prefixKey), secret.Digest(), start, ""
	k.CreatedAt, k.UpdatedAt = old.now, 0
	k.Limits = slices.Clone(k.Limits)
	for i := range k.Limits {
		k.Limits[i].ID = NewID(prefixLimit)
	}
	if len(k.Sealed) > 0 {
		var err error
		if k.Sealed, err = s.sealer.seal(&k, secret); err != nil {
			return nil, Secret{}, err
		}
	}
	state := k.settle(old.state, old.now)
	return &newKey{key: &k, balance: state.Balance, state: &state}, secret, nil
}

// replace stores the new key, then lets the old one end. It is false, and the new
// one gone, where the old one was changed since it was read.
func (s *Store) replace(ctx context.Context, old *stored, made *newKey, after int64) (bool, error) {
	if err := s.insertOne(ctx, made); err != nil {
		return false, err
	}
	ended := *old.key
	ended.UpdatedAt = old.now
	if at := min(old.now+after, MaxTime); ended.Expires == 0 || at < ended.Expires {
		ended.Expires = at
	}
	done, err := s.put(ctx, old, &ended, put{})
	if err != nil || done {
		if err == nil && after == 0 && made.key.Limited {
			err = s.settleAccount(ctx, old, made)
		}
		return done, err
	}
	return false, s.remove(ctx, made.key)
}

// settleAccount takes from a new key what was spent of the old one between its
// being read and its end. Nobody has the new secret yet.
func (s *Store) settleAccount(ctx context.Context, old *stored, made *newKey) error {
	last, err := s.loadAt(ctx, old.place)
	if err != nil || last == nil {
		return err
	}
	spent := made.balance - last.key.settle(last.state, last.now).Balance
	if spent <= 0 {
		return nil
	}
	fresh, err := s.loadAt(ctx, made.key.Digest.place())
	if err != nil || fresh == nil {
		return err
	}
	_, _, err = s.moveBalance(ctx, fresh, DecrementCredits, spent)
	return err
}

// remove takes a key away that nobody has the secret of.
func (s *Store) remove(ctx context.Context, k *Key) error {
	made, err := s.loadAt(ctx, k.Digest.place())
	if err != nil || made == nil {
		return err
	}
	return s.bury(ctx, made, true)
}
