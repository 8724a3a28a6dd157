package keys

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"tollgate/ratelimit"
)

// Bounds of namespaces. All overrides of one are in its record, which a gateway
// that limits in it has in memory.
const (
	MaxNamespaceName = 512 // characters
	MaxIdentifier    = 512 // characters
	MaxOverrides     = 10_000
	// MaxNamespaces is how many a workspace has, those that were deleted among them. A
	// request makes one by its name, so an application may hand its users' texts in.
	MaxNamespaces = 10_000
)

// Namespace is where an application counts by identifiers of its own. A limit
// comes with each request; overrides give some identifiers another one.
type Namespace struct {
	ID        string     `cbor:"1,keyasint"`
	Name      string     `cbor:"2,keyasint"`           // unique in the workspace, also of those that were deleted
	Overrides []Override `cbor:"3,keyasint,omitempty"` // sorted by id
	CreatedAt int64      `cbor:"4,keyasint"`           // unix ms
	DeletedAt int64      `cbor:"5,keyasint,omitempty"` // unix ms; 0 while it is there

	exact map[string]int // identifier to its place in Overrides; see Index
	wild  *ratelimit.Patterns
}

// Index prepares Exact and Patterns, after the overrides were read.
func (n *Namespace) Index() {
	n.exact = make(map[string]int, len(n.Overrides))
	identifiers := make([]string, len(n.Overrides))
	for i, o := range n.Overrides {
		n.exact[o.Identifier], identifiers[i] = i, o.Identifier
	}
	n.wild = ratelimit.NewPatterns(identifiers)
}

// Exact returns the place in Overrides of the one that names an identifier exactly, if there
// is one.
func (n *Namespace) Exact(identifier string) (place int, ok bool) {
	place, ok = n.exact[identifier]
	return place, ok
}

// Patterns are the identifiers of the overrides, in their order.
func (n *Namespace) Patterns() *ratelimit.Patterns { return n.wild }

// Check refuses with KindInvalid an override that has no meaning.
func (o *Override) Check() error {
	if n := utf8.RuneCountInString(o.Identifier); n == 0 || n > MaxIdentifier {
		return Invalidf("identifier", "1 to %d characters", MaxIdentifier)
	}
	return CheckLimit(ratelimit.Limit{Limit: o.Limit, Duration: o.Duration}, 0, ratelimit.MaxDuration)
}

// Override is the limit of the identifiers that fit its own, in which a * stands
// for any run of characters.
type Override struct {
	ID         string `cbor:"1,keyasint"`
	Identifier string `cbor:"2,keyasint"`           // unique in the namespace
	Limit      int64  `cbor:"3,keyasint"`           // 0 blocks
	Duration   int64  `cbor:"4,keyasint"`           // ms
	Async      bool   `cbor:"5,keyasint,omitempty"` // kept to be shown; every decision is exact
}

// Find returns the place of the override with exactly this identifier; -1 for none.
func (n *Namespace) Find(identifier string) int {
	return slices.IndexFunc(n.Overrides, func(o Override) bool { return o.Identifier == identifier })
}

// NamespaceRef names a namespace: by ID, or by Name, in the place of which an id
// may stand as well. Create makes the one of a Name that nothing has, if the
// caller has the right CreateNamespace.
type NamespaceRef struct {
	ID     string
	Name   string
	Create bool
}

// Text is the id or the name, whichever was given.
func (r NamespaceRef) Text() string { return cmp.Or(r.ID, r.Name) }
