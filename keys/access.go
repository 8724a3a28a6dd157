package keys

import (
	"slices"
	"strings"
)

// Right is "<resource>.<action>", such as "api.create_key". A root key has it for
// everything with the grant "<resource>.*.<action>", for one thing with
// "<resource>.<id>.<action>", and each right with the grant "*".
type Right string

// The rights that operations need, by the names Unkey gave them. Each is in the table of
// grants.go.
const (
	CreateKey            Right = "api.create_key"
	ReadKey              Right = "api.read_key"
	UpdateKey            Right = "api.update_key"
	DeleteKey            Right = "api.delete_key"
	VerifyKey            Right = "api.verify_key"
	EncryptKey           Right = "api.encrypt_key"
	DecryptKey           Right = "api.decrypt_key"
	CreateAPI            Right = "api.create_api"
	ReadAPI              Right = "api.read_api"
	UpdateAPI            Right = "api.update_api"
	DeleteAPI            Right = "api.delete_api"
	ReadAnalytics        Right = "api.read_analytics"
	CreatePermission     Right = "rbac.create_permission"
	ReadPermission       Right = "rbac.read_permission"
	DeletePermission     Right = "rbac.delete_permission"
	CreateRole           Right = "rbac.create_role"
	ReadRole             Right = "rbac.read_role"
	DeleteRole           Right = "rbac.delete_role"
	AddPermissionToKey   Right = "rbac.add_permission_to_key"
	DropPermissionOfKey  Right = "rbac.remove_permission_from_key"
	AddRoleToKey         Right = "rbac.add_role_to_key"
	DropRoleOfKey        Right = "rbac.remove_role_from_key"
	AddPermissionToRole  Right = "rbac.add_permission_to_role"
	DropPermissionOfRole Right = "rbac.remove_permission_from_role"
	CreateIdentity       Right = "identity.create_identity"
	ReadIdentity         Right = "identity.read_identity"
	UpdateIdentity       Right = "identity.update_identity"
	DeleteIdentity       Right = "identity.delete_identity"
	UseRatelimit         Right = "ratelimit.limit"
	CreateNamespace      Right = "ratelimit.create_namespace"
	ReadNamespace        Right = "ratelimit.read_namespace"
	UpdateNamespace      Right = "ratelimit.update_namespace"
	DeleteNamespace      Right = "ratelimit.delete_namespace"
	SetOverride          Right = "ratelimit.set_override"
	ReadOverride         Right = "ratelimit.read_override"
	DeleteOverride       Right = "ratelimit.delete_override"

	ReadSetupKey   Right = "setup_keys.read" // these five are for groups as well
	CreateSetupKey Right = "setup_keys.create"
	UpdateSetupKey Right = "setup_keys.update"
	DeleteSetupKey Right = "setup_keys.delete"
	RedeemSetupKey Right = "setup_keys.redeem"

	ReadAudit Right = "audit.read" // the log of who changed what
)

// DefaultWorkspace is the name of the workspace of TOLLGATE_ROOT_KEY.
const DefaultWorkspace = "default"

// Everything is the grant of each right.
const Everything = "*"

// Caller is a root key that has proved to be valid.
type Caller struct {
	WorkspaceID string
	KeyID       string   // "" for the operator
	Name        string   // of the root key
	Grants      []string // sorted
}

// Operator is the caller of the command line: it may do everything in a workspace.
func Operator(workspaceID string) *Caller {
	return &Caller{WorkspaceID: workspaceID, Grants: []string{Everything}}
}

// Can reports whether the caller has a right over the thing with an id; "" stands for
// things that have none yet. Operations of a store take an Access, which is checked by it.
func (c *Caller) Can(r Right, id string) bool {
	if c.granted(Everything) {
		return true
	}
	resource, action, _ := strings.Cut(string(r), ".")
	if c.granted(resource + ".*." + action) {
		return true
	}
	return id != "" && resource != "rbac" && c.granted(resource+"."+id+"."+action) // a key's API is no thing of rbac
}

func (c *Caller) granted(grant string) bool {
	_, ok := slices.BinarySearch(c.Grants, grant)
	return ok
}

// Grants are the texts any of which gives the right over id.
func (r Right) Grants(id string) []string {
	resource, action, _ := strings.Cut(string(r), ".")
	all := []string{Everything, resource + ".*." + action}
	if id != "" && resource != "rbac" { // see Can
		all = append(all, resource+"."+id+"."+action)
	}
	return all
}

// Access is a caller and what an operation needs of it: every one of Needs. It is
// made from a row of a dialect's route table and checked by the store.
type Access struct {
	*Caller
	Needs []Right
	// Used makes a change of what a key has need one of Needs to begin with, and
	// then those that it makes use of: to add where it adds, to remove where it
	// removes.
	Used bool
	// Also are the rights that some requests of the operation need besides: those of
	// them that it makes use of. UpdateKey needs those to add and to remove roles, and
	// permissions, where they are among these.
	Also []Right
	// LongDurations lets limits have windows of up to MaxLongDuration, otherwise
	// MaxDuration. Only v1 does, and only with a root key.
	LongDurations bool
}

// As returns the access of a caller to an operation that needs rights.
func (c *Caller) As(needs ...Right) Access { return Access{Caller: c, Needs: needs} }

// MissingRights is the refusal of who has none of these grants.
func MissingRights(grants []string) error {
	return Errorf(KindMissingPermission, "", "missing one of these permissions: %s", strings.Join(grants, " or "))
}

// Check refuses with KindMissingPermission where the caller lacks a right over id,
// one that the operation needs or one of also.
func (a Access) Check(id string, also ...Right) error {
	for _, needs := range [][]Right{a.Needs, also} {
		for _, r := range needs {
			if !a.Can(r, id) {
				return MissingRights(r.Grants(id)[1:])
			}
		}
	}
	return nil
}
