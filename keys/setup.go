package keys

// Setup is what makes a key a NetBird setup key: what it hands to whoever enrols
// with it. A setup key is redeemed and never verified; its uses are the key's balance.
type Setup struct {
	Groups         []string `cbor:"1,keyasint,omitempty"` // ids, in the order and as often as they were given
	Ephemeral      bool     `cbor:"2,keyasint,omitempty"`
	ExtraDNSLabels bool     `cbor:"3,keyasint,omitempty"`
	Reusable       bool     `cbor:"4,keyasint,omitempty"`
	UsageLimit     int64    `cbor:"5,keyasint,omitempty"` // 0 for unlimited; 1 for a one-off key
	Claims         bool     `cbor:"6,keyasint,omitempty"` // every peer that redeemed it has a claim; earlier releases made none
}

// Capacity is the balance of an unused key. An unlimited one counts down from the
// largest number there is, so that its uses are known exactly as well.
func (s *Setup) Capacity() int64 {
	if s.UsageLimit == 0 {
		return MaxCount
	}
	return s.UsageLimit
}

// SetupState says whether a setup key can be redeemed, in NetBird's words.
type SetupState string

// The states, each before those that it hides.
const (
	SetupExpired  SetupState = "expired"
	SetupRevoked  SetupState = "revoked"
	SetupOverused SetupState = "overused"
	SetupValid    SetupState = "valid"
)

func (k *Key) SetupState(balance, now int64) SetupState {
	switch {
	case k.Expires != 0 && now >= k.Expires:
		return SetupExpired
	case k.Disabled:
		return SetupRevoked
	case balance < 1:
		return SetupOverused
	}
	return SetupValid
}
