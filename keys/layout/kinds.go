package layout

// Kind is a kind of definition; with a workspace it names an index.
type Kind string

// A setup key that can be redeemed never refers to a group that is not there.
// Groups are in the workspace's slot and keys in their own, so it takes a
// protocol: whoever makes a key refer to a group notes that in the group first
// (tryLink), on condition that the group is there, and marks the group as used
// anew. Whoever deletes a group reads the mark, looks at every key that is noted,
// rewrites those that can't be redeemed, and deletes on condition that the mark
// still stands. So either the deletion sees the key, or it fails and looks again,
// or the key was rewritten and whoever was about to change it looks again.

// KindGroupUse is the mark.
const KindGroupUse Kind = "group_use"

const KindMigration Kind = "migration"

const (
	KindAPI        Kind = "api"
	KindPermission Kind = "permission"
	KindRole       Kind = "role"
	KindIdentity   Kind = "identity"
	KindRootKey    Kind = "root_key"
	KindNamespace  Kind = "ratelimit_namespace"
)

const KindGroup Kind = "group"
