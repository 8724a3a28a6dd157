package keys

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"tollgate/ratelimit"
	"tollgate/refill"
)

// KeyDraft describes a key to be made.
type KeyDraft struct {
	APIID       string
	Prefix      string // without the "_"; "" is the API's own
	SecretBytes int    // random bytes; 0 is the API's own, or 16
	Header      bool   // put 0x01 and the length before them, as Unkey v1 did
	Name        string
	ExternalID  string // of the identity it belongs to, made where there is none
	Meta        []byte // a JSON object's text
	Permissions []Ref
	Roles       []Ref
	Expires     int64  // unix ms, which may have passed; 0, as which no request may write it, for never
	Remaining   *int64 // uses; nil for unlimited
	Refill      *refill.Schedule
	Limits      []ratelimit.Limit // without ids
	Disabled    bool
	Recoverable bool // keep the plaintext, sealed
	Environment string
}

// DefaultEnvironment is the one that identities are in.
const DefaultEnvironment = "default"

// RoleDraft describes a role to be made.
type RoleDraft struct {
	Name        string
	Description string
	Permissions []Ref
}

// Check refuses what no dialect may store. A dialect's own bounds are narrower
// and were checked before; this is where the rules across fields are.
func (d *KeyDraft) Check(a Access) error {
	switch {
	case len([]rune(d.Prefix)) > MaxPrefix:
		return Invalidf("prefix", "at most %d characters", MaxPrefix)
	case d.SecretBytes != 0 && (d.SecretBytes < MinSecretBytes || d.SecretBytes > MaxSecretBytes):
		return Invalidf("byteLength", "between %d and %d bytes", MinSecretBytes, MaxSecretBytes)
	case len([]rune(d.Environment)) > MaxEnvironment:
		return Invalidf("environment", "at most %d characters", MaxEnvironment)
	}
	return cmp.Or(
		CheckRefs("permissions", d.Permissions),
		CheckRefs("roles", d.Roles),
		CheckText("name", d.Name, MaxName),
		CheckExternalID("externalId", d.ExternalID),
		CheckMeta(d.Meta),
		CheckTime("expires", d.Expires),
		checkCredits(d.Remaining, d.Refill),
		KeyLimits.CheckDurations(a, d.Limits, nil),
		KeyLimits.Check(d.Limits),
	)
}

// NewKey is a key that was just made. This is the only time its secret is seen.
type NewKey struct {
	ID     string
	Secret Secret
}

// PermissionDraft describes a permission to be made.
type PermissionDraft struct {
	Name        string
	Slug        string // what verifications ask for; "" is the name
	Description string
}

// IdentityRef names an identity by its id, or else by its external id in an
// environment. With both it is whichever is there, the id first.
type IdentityRef struct {
	ID          string
	ExternalID  string
	Environment string // "" is DefaultEnvironment
}

// Ref is the reference among the identities of the one environment there is.
func (r IdentityRef) Ref() Ref {
	if r.Environment != "" && r.Environment != DefaultEnvironment {
		return Ref{ID: cmp.Or(r.ID, r.ExternalID)}
	}
	return Ref{ID: r.ID, Name: r.ExternalID}
}

// IdentityDraft describes an identity to be made.
type IdentityDraft struct {
	ExternalID string
	Meta       []byte            // a JSON object's text
	Limits     []ratelimit.Limit // without ids; two of one name are KindConflict
}

// IdentityPatch says what changes about an identity.
type IdentityPatch struct {
	Meta   Change[[]byte]
	Limits Change[[]ratelimit.Limit] // all of them; one whose name was there keeps its id
	// KeepAutoApply leaves AutoApply as it was to a limit whose name was there.
	KeepAutoApply bool
}

// RootDraft describes a root key to be made. Without a Secret one is generated.
type RootDraft struct {
	Name    string
	Grants  []string // such as "api.*.create_key", at least one; Everything is each right
	Expires int64    // unix ms; 0 for never
	Secret  Secret   // of at least 16 characters
}

// CheckLength refuses with KindInvalid a text that is shorter or longer than it may be, in characters.
func CheckLength(field, value string, least, most int) error {
	if n := utf8.RuneCountInString(value); n < least || n > most {
		return Invalidf(field, "from %d to %d characters", least, most)
	}
	return nil
}

// Secrets given by an operator are not shorter: a guess must stay hopeless.
const minGivenSecret = 16

// CheckRootSecret refuses with KindInvalid what can't be the secret of a root key: one that
// can be guessed, and what no Authorization header can carry: white space, control
// characters and whatever is not ASCII.
func CheckRootSecret(s Secret) error {
	if len(s.Text) < minGivenSecret {
		return Invalidf("rootKey", "a root key has at least %d characters", minGivenSecret)
	}
	if strings.ContainsFunc(s.Text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return Invalidf("rootKey", "a root key has visible ASCII characters alone, and no white space: no header can carry others")
	}
	return nil
}

// Identify returns the secret, and what of it is kept to recognise the key by.
func (d *RootDraft) Identify() (secret Secret, start string, err error) {
	switch secret = d.Secret; {
	case secret.Text == "":
		secret, start = GenerateSecret("tollgate", 24, false)
		return secret, start, nil
	case CheckRootSecret(secret) != nil:
		return Secret{}, "", CheckRootSecret(secret)
	case IsAccessToken(secret.Text):
		return secret, secret.Text[:len(accessPrefix)+StartLength], nil
	}
	return secret, secret.Text[:StartLength], nil
}

// LimitsWithIDs sets the id of each limit: the one a limit of its name had, or a new one.
func LimitsWithIDs(limits, old []ratelimit.Limit) []ratelimit.Limit {
	all := make([]ratelimit.Limit, len(limits))
	for i, limit := range limits {
		limit.ID = NewID(prefixLimit)
		for _, o := range old {
			if o.Name == limit.Name {
				limit.ID = o.ID
			}
		}
		all[i] = limit
	}
	return all
}

// Apply applies a patch to the identity.
func (i *Identity) Apply(p IdentityPatch) {
	i.Meta = p.Meta.Or(i.Meta)
	if !p.Limits.Set {
		return
	}
	limits := LimitsWithIDs(p.Limits.Or(nil), i.Limits)
	for n := range limits {
		for _, old := range i.Limits {
			if p.KeepAutoApply && old.ID == limits[n].ID {
				limits[n].AutoApply = old.AutoApply
			}
		}
	}
	i.Limits = limits
}
