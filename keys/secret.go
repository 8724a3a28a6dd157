package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"unsafe"

	"github.com/mr-tron/base58"
)

// redacted is what a Secret prints as, everywhere.
const redacted = "[secret]"

// Secret is the plaintext of a key. Every way of printing, logging or encoding
// it returns "[secret]"; Reveal is the one way to the text.
type Secret struct{ Text string }

// NewSecret wraps a plaintext.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the plaintext, to hash it, seal it or hand it to its new owner.
func (s Secret) Reveal() string { return s.Text }

// Digest is the SHA-256 of the whole plaintext.
func (s Secret) Digest() Digest {
	// Sum256 only reads: a copy of the text would be an allocation for each verification.
	return sha256.Sum256(unsafe.Slice(unsafe.StringData(s.Text), len(s.Text)))
}

// Head is the first characters of a plaintext that was not made here, to recognise
// it by; "" where that would tell much of it.
func (s Secret) Head() string {
	if len(s.Text) < 2*StartLength {
		return ""
	}
	return strings.ToValidUTF8(s.Text[:StartLength], "")
}

// String implements fmt.Stringer without telling.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer without telling.
func (Secret) GoString() string { return redacted }

// Format implements fmt.Formatter without telling, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements encoding.TextMarshaler, and with it JSON, without telling.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer without telling.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Digest is the SHA-256 of a secret: all that is stored of it. A single
// unsalted hash is right for a secret of 128 random bits or more.
type Digest [sha256.Size]byte

// ParseDigest reads the standard base64 form, padded, of 32 bytes.
func ParseDigest(text string) (Digest, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != sha256.Size {
		return Digest{}, fmt.Errorf("a SHA-256 digest is 32 bytes in padded standard base64")
	}
	return Digest(raw), nil
}

// String returns the standard base64 form, padded.
func (d Digest) String() string { return base64.StdEncoding.EncodeToString(d[:]) }

// Equal compares in constant time.
func (d Digest) Equal(other Digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }

// Bounds of a generated key's random part, in bytes. 16 bytes are 128 bits.
const (
	MinSecretBytes     = 16
	MaxSecretBytes     = 255
	DefaultSecretBytes = 16
)

// StartLength is how many characters of a key's random part are kept to show.
// Unkey's first generation kept one more where there is no prefix.
const StartLength = 4

// GenerateSecret makes a secret: prefix, "_" and the base58 of size random bytes. With
// header, two bytes go before them, 0x01 and size: the form of Unkey's first
// generation. It also gives the start that is kept to recognise the key by.
func GenerateSecret(prefix string, size int, header bool) (Secret, string) {
	raw := make([]byte, size, size+2)
	_, _ = rand.Read(raw) // never fails: see crypto/rand
	if header {
		raw = append([]byte{1, byte(size)}, raw...)
	}
	body, shown := base58.Encode(raw), StartLength
	switch {
	case prefix != "":
		prefix += "_"
	case header:
		shown++
	}
	return Secret{prefix + body}, prefix + body[:shown]
}
