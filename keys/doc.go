// Package keys is what a key, an API, an identity, a role, a permission and a
// root key are, and how they are kept in Redis.
//
// # Records
//
// A key is one Redis string. A short fixed-layout header holds what changes on
// every use: the revision, the balance, the next refill and the windows of its
// stored rate limits. The record behind it holds what the key is, and changes
// rarely. One read of the header tells a gateway that has the record in memory
// whether it is still current; one SETRANGE spends. state.lua and header.go are
// the two readers of that layout.
//
// A key's name in Redis is made of the digest of its secret, because the secret
// is what a verification has in hand. An index leads from the key's id there, and so
// do the entries of the lists that the key is in.
//
// Definitions (APIs, identities, roles, permissions, namespaces) belong to a
// workspace and share its hash tag, so one script changes any of them together.
// Keys refer to definitions by id. Every change of a definition raises its
// workspace's revision, which each verification confirms in the same call in
// which it spends: a role used by 100,000 keys is changed by two writes and
// obeyed by the next verification.
//
// # Revisions
//
// A revision is a number of microseconds of Redis's clock, raised by at least
// one at each change. It is compared for equality alone: a failover that loses
// writes can't bring an old revision back with other content.
//
// On a Cluster each shard has copies of the workspaces' revisions, which a change raises
// twice: to an odd number before it is made, and to the one that it was given after, which
// is even unless another change is under way. A gateway believes an odd one for a second
// at most, so that it obeys whatever came of a change whose maker died in between.
// revisions.go says why that suffices.
//
// # Writes
//
// A change is read, made in Go, and put back under the condition that nothing
// else changed it meanwhile. Writes that touch several slots go in an order in
// which a crash leaves only index entries that point nowhere; readers skip them.
// No write is ever sent twice: a reply that is lost is KindUnavailable. A client that
// DurableWrites has seen waits until a write is in Redis's append-only file.
//
// # Deletion
//
// A soft-deleted key leaves a tombstone with its digest and ids, in one script with the
// deletion; Options.DeletedRetention keeps the record beside it. tombstone.go says what
// leads to one. Sweep removes what deleted APIs leave, and slims what earlier releases left.
//
// # Usage
//
// How verifications end is counted beside the decisions, see Usage. A day of a key,
// of an identity in an API, and of an API is a hash each: its fields are an hour, an
// outcome and numbers of tags, its values counts. So a question about an API reads
// one hash a day, and only one that tells keys or identities apart reads theirs. The
// hashes expire. Tags are numbered by API and day, and bounded in number.
//
// # Setup keys
//
// A NetBird setup key is a key with a Setup. It is no API key: it is redeemed, never
// verified, and whatever reads or changes API keys does not find it. Its uses are its
// balance, and redeem.lua remembers beside the record which peer it told what. Each peer
// has one setup key of a workspace at most, see claims.go. The groups that it hands out are definitions of
// the workspace; grouplinks.go keeps the two consistent across slots.
//
// # Transfers
//
// Export writes a workspace as lines that Import stores elsewhere, on a single Redis or
// on a Cluster: ids, digests and the names of counters stay as they are, so what was
// half used is half used there. Lists, indexes, copies and revisions are made anew.
// What is there is never changed and counts are set, never added, so both can be
// repeated after anything. What is not in an export: keys of deleted APIs, which are
// being removed, and what hangs on things that are gone for good.
//
// # Rights
//
// Each operation takes an Access: the caller and what the operation needs. The
// store checks it by itself against the API or workspace it touches, so no
// caller of this package can forget to. What another workspace owns looks
// exactly like what does not exist.
package keys
