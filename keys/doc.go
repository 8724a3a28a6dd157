// Package keys is what a key, an API, an identity, a role, a permission and a root key
// are: their types, what they may hold, who may do what, and the errors of everything
// below. It does no I/O.
//
// # Rooms
//
//	keys            the types, Error, Access, Secret, ids and validation
//	keys/layout     every Redis name, the header of a record, the codec; no API
//	keys/redisdb    connections, scripts, durable writes, timeouts
//	keys/audit      who changed what
//	keys/catalog    APIs, roles, permissions, identities, namespaces, their revisions and cache
//	keys/store      keys and root keys: create, read, list, change, reroll, delete, migrate
//	keys/usage      counting verifications, and questions about the counts
//	keys/setupkeys  NetBird's setup keys, redemptions and groups
//	keys/transfer   export and import
//	keys/turns      turns for heavy work, fair between workspaces
//
// Each imports those above it alone, but for usage and setupkeys, which do not know each
// other, and transfer, which uses both. A Go service needs verify and keys/store.
//
// # Rights
//
// Each operation takes an Access: the caller and what the operation needs. The
// store checks it by itself against the API or workspace it touches, so no
// caller of this package can forget to. What another workspace owns looks
// exactly like what does not exist.
package keys
