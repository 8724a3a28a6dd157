package keys

import (
	"tollgate/ratelimit"
	"tollgate/refill"
)

// MaxCount bounds every balance, cost and limit: 2^53-1, the largest integer
// that Redis's Lua and JavaScript both hold exactly.
const MaxCount = 1<<53 - 1

// MaxTime bounds every moment, in unix ms: the end of the year 9999.
const MaxTime = 253_402_300_799_999

// Key is what a key is. What it has left is in its State.
//
// It is stored as CBOR (RFC 8949) with integer names, so a field can be added
// and an older store read; a number is never given a second meaning.
type Key struct {
	ID          string            `cbor:"1,keyasint"`
	WorkspaceID string            `cbor:"2,keyasint"`
	APIID       string            `cbor:"3,keyasint,omitempty"` // empty for root keys
	Digest      Digest            `cbor:"4,keyasint"`
	Start       string            `cbor:"5,keyasint,omitempty"` // prefix and the first characters, to recognise it by
	Name        string            `cbor:"6,keyasint,omitempty"`
	IdentityID  string            `cbor:"7,keyasint,omitempty"`
	Meta        []byte            `cbor:"8,keyasint,omitempty"`  // a JSON object's text, never interpreted
	Permissions []string          `cbor:"9,keyasint,omitempty"`  // ids
	Roles       []string          `cbor:"10,keyasint,omitempty"` // ids
	Expires     int64             `cbor:"11,keyasint,omitempty"` // unix ms, the first moment it is no longer valid; 0 for never
	HasCredits  bool              `cbor:"12,keyasint,omitempty"` // it has a balance
	Refill      *refill.Schedule  `cbor:"13,keyasint,omitempty"`
	RefillSince int64             `cbor:"14,keyasint,omitempty"` // unix ms when Refill was set
	Limits      []ratelimit.Limit `cbor:"15,keyasint,omitempty"`
	Disabled    bool              `cbor:"16,keyasint,omitempty"`
	Environment string            `cbor:"17,keyasint,omitempty"`
	Sealed      []byte            `cbor:"18,keyasint,omitempty"` // the plaintext under the sealing keyset
	CreatedAt   int64             `cbor:"19,keyasint"`           // unix ms
	UpdatedAt   int64             `cbor:"20,keyasint,omitempty"` // unix ms; 0 when never
	Root        *Root             `cbor:"21,keyasint,omitempty"` // set for root keys alone
	Setup       *Setup            `cbor:"22,keyasint,omitempty"` // set for setup keys alone
	Prefix      string            `cbor:"25,keyasint,omitempty"` // of the plaintext, where Start does not tell it
	Migration   string            `cbor:"26,keyasint,omitempty"` // Digest is that of a part of the plaintext, until the whole is seen
	Moving      *Moving           `cbor:"27,keyasint,omitempty"` // the whole was seen: nothing but its place changes until it is there
	Reserved    bool              `cbor:"28,keyasint,omitempty"` // it is no key: it keeps the place of one that is moving there
	SecretBytes int               `cbor:"29,keyasint,omitempty"` // random bytes of the secret; 0 where that is not known
	Secrets     []Issued          `cbor:"30,keyasint,omitempty"` // of a rerolled key: all of them, the first one first
	KeyWide     *KeyWide          `cbor:"31,keyasint,omitempty"` // of a rerolled key, where Expires and Disabled are the first secret's
	Target      *Digest           `cbor:"32,keyasint,omitempty"` // it is no key: it points from a secret's place to the record of this digest

	record *Key // the record, where the key is seen as one of its secrets
	nth    int  // which of Secrets
}

// Moving is where a key of a migration goes on.
type Moving struct {
	Digest      Digest `cbor:"1,keyasint"`
	Start       string `cbor:"2,keyasint,omitempty"`
	Reservation []byte `cbor:"3,keyasint,omitempty"` // the revision of what keeps its place there
}

// IsAPIKey reports whether the key is a key of an API: neither a root key nor a setup
// key. No other kind is ever verified, read or changed as one.
func (k *Key) IsAPIKey() bool { return k.Root == nil && k.Setup == nil }

// Root is what makes a key a root key: the rights it has in its workspace.
type Root struct {
	Grants []string `cbor:"1,keyasint"`
}

// Refilled returns the state as a verification at now would find it.
func (k *Key) Refilled(s State, now int64) State {
	if k.HasCredits && k.Refill != nil {
		s.Balance, s.NextRefill = k.Refill.Settle(s.Balance, s.NextRefill, now)
	}
	return s
}

// LastRefill is the unix ms at which the balance was last set to the refill's
// amount or more by a boundary, or when the refill was set; 0 without a refill. When it
// was set is not believed where a wrong clock said so and that moment has not come.
func (k *Key) LastRefill(now int64) int64 {
	switch {
	case k.Refill == nil:
		return 0
	case k.RefillSince > now:
		return k.Refill.Last(now)
	}
	return max(k.RefillSince, k.Refill.Last(now))
}
