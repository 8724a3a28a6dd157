package audit

// Name is what was asked for, as RESOURCE.VERB.
type Name string

// The names of actions. This is the one list of them.
const (
	CreateAPI         Name = "api.create"
	UpdateAPI         Name = "api.update" // its protection, its addresses
	DeleteAPI         Name = "api.delete"
	CreateKey         Name = "key.create"
	ImportKeys        Name = "key.import" // with hashes or plaintexts that are in use already
	UpdateKey         Name = "key.update"
	UpdateCredits     Name = "key.update_credits"
	UpdatePermissions Name = "key.update_permissions"
	UpdateRoles       Name = "key.update_roles"
	RerollKey         Name = "key.reroll"
	DeleteKey         Name = "key.delete"
	DeleteKeys        Name = "key.delete_all" // of an API
	CreateIdentity    Name = "identity.create"
	UpdateIdentity    Name = "identity.update"
	DeleteIdentity    Name = "identity.delete"
	CreatePermission  Name = "permission.create"
	DeletePermission  Name = "permission.delete"
	CreateRole        Name = "role.create"
	UpdateRole        Name = "role.update"
	DeleteRole        Name = "role.delete"
	CreateNamespace   Name = "namespace.create"
	DeleteNamespace   Name = "namespace.delete"
	SetOverride       Name = "override.set"
	DeleteOverride    Name = "override.delete"
	CreateSetupKey    Name = "setup_key.create"
	UpdateSetupKey    Name = "setup_key.update"
	DeleteSetupKey    Name = "setup_key.delete"
	CreateGroup       Name = "group.create"
	UpdateGroup       Name = "group.update"
	DeleteGroup       Name = "group.delete"
	CreateMigration   Name = "migration.create"
	CreateRootKey     Name = "root_key.create"
	DeleteRootKey     Name = "root_key.delete"
	CreateWorkspace   Name = "workspace.create"
	ImportWorkspace   Name = "workspace.import"
	AcceptStore       Name = "store.accept" // a store that has lost its data, as it is
)

// Names lists every Name.
func Names() []Name {
	return []Name{
		CreateAPI, UpdateAPI, DeleteAPI, CreateKey, ImportKeys, UpdateKey, UpdateCredits, UpdatePermissions, UpdateRoles, RerollKey, DeleteKey, DeleteKeys,
		CreateIdentity, UpdateIdentity, DeleteIdentity, CreatePermission, DeletePermission, CreateRole, UpdateRole, DeleteRole,
		CreateNamespace, DeleteNamespace, SetOverride, DeleteOverride, CreateSetupKey, UpdateSetupKey, DeleteSetupKey, CreateGroup, UpdateGroup, DeleteGroup,
		CreateMigration, CreateRootKey, DeleteRootKey, CreateWorkspace, ImportWorkspace, AcceptStore,
	}
}
