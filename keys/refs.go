package keys

// Missing says what becomes of a name that nothing has yet.
type Missing uint8

// Ref names a permission, by id or slug, or a role, by id or name.
type Ref struct {
	ID      string
	Name    string
	Missing Missing // for a Name that nothing has; an ID that nothing has is KindNotFound
}

// Named makes references by name that share what becomes of a missing one.
func Named(names []string, missing Missing) []Ref {
	refs := make([]Ref, len(names))
	for i, name := range names {
		refs[i] = Ref{Name: name, Missing: missing}
	}
	return refs
}

// Bounds of names, in bytes.
const (
	MaxSlug     = 512
	MaxRoleName = 512
)

// CheckRefs refuses more references than one key may have.
func CheckRefs(field string, refs []Ref) error {
	if len(refs) > MaxKeyRefs {
		return Invalidf(field, "at most %d", MaxKeyRefs)
	}
	return nil
}
