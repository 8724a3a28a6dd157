package keys

import (
	"bytes"
	"crypto/sha256"
	"time"
)

// Idempotency is what is kept of a request that may be repeated, in what it made: of the
// Idempotency-Key itself a hash alone.
type Idempotency struct {
	Token []byte `cbor:"1,keyasint"`           // of the workspace, the root key, the key that was rerolled and the Idempotency-Key
	Grace int64  `cbor:"2,keyasint,omitempty"` // ms that were asked for
	Until int64  `cbor:"3,keyasint"`           // unix ms, the first moment at which a repeat is a new request
}

// MaxIdempotencyKey bounds an Idempotency-Key, in characters.
const MaxIdempotencyKey = 255

// IdempotencyLife is for how long a repeat is known.
const IdempotencyLife = 24 * time.Hour

// CheckIdempotencyKey refuses what can't be an Idempotency-Key: it has 1 to
// MaxIdempotencyKey printable ASCII characters.
func CheckIdempotencyKey(key string) error {
	ok := key != "" && len(key) <= MaxIdempotencyKey
	for i := 0; ok && i < len(key); i++ {
		ok = key[i] >= ' ' && key[i] <= '~'
	}
	if !ok {
		return Invalidf("Idempotency-Key", "1 to %d printable ASCII characters", MaxIdempotencyKey)
	}
	return nil
}

// IdempotencyToken hashes an Idempotency-Key within its scope, of which no part has a NUL.
func IdempotencyToken(a Access, id, key string) []byte {
	sum := sha256.Sum256([]byte(a.WorkspaceID + "\x00" + a.KeyID + "\x00" + id + "\x00" + key))
	return sum[:16]
}

// Repeated returns the place in Secrets of what a request made before; -1 where it made
// nothing that is still there, or that was too long ago.
func (k *Key) Repeated(token []byte, now int64) int {
	for i := range k.Secrets {
		r := k.Secrets[i].Request
		if r == nil || token == nil || !bytes.Equal(r.Token, token) {
			continue
		}
		// One that is known for longer than 24 hours was noted by a wrong clock.
		if now < r.Until && r.Until-now <= IdempotencyLife.Milliseconds() {
			return i
		}
	}
	return -1
}
