package keys

import (
	"strings"

	"tollgate/ratelimit"
)

// API is a set of keys that are verified together.
type API struct {
	ID          string   `cbor:"1,keyasint"`
	WorkspaceID string   `cbor:"2,keyasint"`
	Name        string   `cbor:"3,keyasint"`
	Prefix      string   `cbor:"4,keyasint,omitempty"` // of keys created without one
	SecretBytes int      `cbor:"5,keyasint,omitempty"` // of keys created without a length
	AllowedIPs  []string `cbor:"6,keyasint,omitempty"` // empty: every address
	Protected   bool     `cbor:"7,keyasint,omitempty"` // against deletion
	CreatedAt   int64    `cbor:"8,keyasint"`           // unix ms
}

// Managed reports whether a part of the program manages the API, for keys of a kind of its
// own. Such an API is hidden: it is in no list of APIs, and no caller finds, changes or
// deletes it, or makes keys of it, by its id.
func (a *API) Managed() bool { return IsManagedAPI(a.WorkspaceID, a.ID) }

// ManagedAPIID is the id of the API of a workspace that a part of the program manages. The
// id says that it is one, so its record needs no mark: no id that NewID makes has a second
// underscore.
func ManagedAPIID(workspaceID, part string) string {
	_, tag, _ := strings.Cut(workspaceID, "_")
	return PrefixAPI + "_" + part + "_" + tag
}

// IsManagedAPI reports whether an id is ManagedAPIID's for a part of the program.
func IsManagedAPI(workspaceID, id string) bool {
	part, ok := strings.CutPrefix(id, PrefixAPI+"_")
	part, _, parted := strings.Cut(part, "_")
	return ok && parted && id == ManagedAPIID(workspaceID, part)
}

// Permission is a right of an application's own, told by its slug.
type Permission struct {
	ID          string `cbor:"1,keyasint"`
	Name        string `cbor:"2,keyasint"`
	Slug        string `cbor:"3,keyasint"` // unique in the workspace, without regard to case
	Description string `cbor:"4,keyasint,omitempty"`
	CreatedAt   int64  `cbor:"5,keyasint"` // unix ms
}

// Role is a set of permissions that keys have together.
type Role struct {
	ID          string   `cbor:"1,keyasint"`
	Name        string   `cbor:"2,keyasint"` // unique in the workspace, without regard to case
	Description string   `cbor:"3,keyasint,omitempty"`
	Permissions []string `cbor:"4,keyasint,omitempty"` // ids
	CreatedAt   int64    `cbor:"5,keyasint"`           // unix ms
}

// Identity is whoever several keys belong to.
type Identity struct {
	ID          string            `cbor:"1,keyasint"`
	ExternalID  string            `cbor:"2,keyasint"` // unique in the workspace
	Environment string            `cbor:"3,keyasint,omitempty"`
	Meta        []byte            `cbor:"4,keyasint,omitempty"` // a JSON object's text
	Limits      []ratelimit.Limit `cbor:"5,keyasint,omitempty"` // shared by its keys
	CreatedAt   int64             `cbor:"6,keyasint"`           // unix ms
}
