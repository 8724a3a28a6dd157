package keys

import (
	"context"
	"strings"
)

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

// capacity is the balance of an unused key. An unlimited one counts down from the
// largest number there is, so that its uses are known exactly as well.
func (s *Setup) capacity() int64 {
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

func (k *Key) setupState(balance, now int64) SetupState {
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

// SetupKey is a setup key as it stands.
type SetupKey struct {
	*Key
	State     SetupState
	UsedTimes int64 // redemptions, and what earlier releases verified
	LastUsed  int64 // unix ms of the last of them; 0 for never
}

// setupKeyOf describes what was read.
func setupKeyOf(found *stored) *SetupKey {
	return &SetupKey{
		Key: found.key, State: found.key.setupState(found.state.Balance, found.now),
		UsedTimes: found.key.Setup.capacity() - found.state.Balance,
	}
}

// setupAPIID is the id of the API that the setup keys of a workspace belong to, which
// names the list that they are in. It is in no list of APIs, and never found as one.
func setupAPIID(workspaceID string) string {
	_, tag, _ := strings.Cut(workspaceID, "_")
	return prefixAPI + "_setup_" + tag
}

// makeSetupAPI makes the workspace's API of setup keys where it is not there yet.
// Its id was known before, so somebody may remember that there was none.
func (s *SetupStore) makeSetupAPI(ctx context.Context, workspaceID string) error {
	id := setupAPIID(workspaceID)
	api, _, err := readDefinition[API](ctx, s.Catalog, workspaceID, kindAPI, id)
	if err != nil || api != nil {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	c := newChange(workspaceID)
	c.unchanged(kindAPI, id, "")
	c.put(kindAPI, id, encodeDefinition(&API{ID: id, WorkspaceID: workspaceID, Name: "setup keys", Protected: true, CreatedAt: now}))
	c.raise(sharedBucket)
	_, _, err = s.apply(ctx, c)
	return err
}
