package keys

import (
	"slices"
	"strings"
)

// SecretPrefix is what stands before the last "_" of the plaintext: the random part has
// none. Start tells it of every key that was made here.
func (k *Key) SecretPrefix() string {
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

// SetSecretPrefix keeps a prefix where Start does not tell it.
func (k *Key) SetSecretPrefix(prefix string) {
	if prefix != startPrefix(k.Start) {
		k.Prefix = prefix
	}
}

var ErrEnded = Errorf(KindPrecondition, "key", "the key has ended: it can't be rerolled")

// EndCurrent ends the secret that the key is seen as after a grace period, where
// another one may take its place.
func (k *Key) EndCurrent(now, grace int64) error {
	old := k.IssuedSecret()
	if end := Sooner(k.KeyWide.Expires, old.End); end != 0 && now >= end {
		return ErrEnded
	}
	old.End = Sooner(old.End, min(now+grace, MaxTime))
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

// DropEnded drops secrets that ended, those that did first, where the record would name more
// than MaxSecrets beside the first one and the one that the key is seen as. It returns them as
// they were read.
func (k *Key) DropEnded(read *Key, now int64) (gone []*Key) {
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
		gone = append(gone, read.ByID(k.Secrets[first].ID))
		k.Secrets = slices.Delete(k.Secrets, first, first+1)
		if first < k.nth {
			k.nth--
		}
	}
	return gone
}
