package layout

import (
	"crypto/sha256"
	"encoding/base64"
	"hash/fnv"
	"strconv"

	"tollgate/keys"
)

// Every name of a Redis key is spelt here.
//
//	name                        type    owner              life
//	tg:k:{SH}TAG                string  a key              until the key is deleted; a reservation of moving.go: a minute;
//	                                                       a pointer of a later secret: until that is deleted or ended long ago
//	tg:t:{SH}TAG                string  a soft-deleted key a tombstone: its digest stays taken until it is deleted for
//	                                                       good, or its API is swept
//	tg:td:{SH}TAG               string  a soft-deleted key its record, where --deleted-retention keeps it so long
//	tg:tl:API                   zset    an API             its tombstones: id, SH and TAG; until the API is swept
//	tg:i:KEYID                  string  a key              as the key and its tombstone; holds SH and TAG
//	tg:c:{SH}OWNER:MS:NAME      string  a limit's counter  expires after two windows; a key's that a request
//	                                                       made ends with the key
//	tg:ci:{SH}KEYID             zset    a key              its counters that requests made: MS:NAME by when it
//	                                                       ends at the earliest; as the key
//	tg:cb:{SH}WS                string  a workspace        how many counters that requests made end when, as
//	                                                       verify.lua has it; expires with the last of them
//	tg:s:counters               hash    the store          what was done about counters of older versions
//	tg:s:counters:lease         string  the store          which gateway does it; seconds
//	tg:l:API                    zset    an API             its keys: id, SH and TAG; until the API is swept
//	tg:l:API:IDENTITY           zset    an API             one identity's keys in it, likewise
//	tg:w                        hash    the store          workspace name to id
//	tg:m                        string  the store          its marker, see marker.go; forever
//	tg:m:{SH}                   string  a shard            its marker, on a Cluster in the place of tg:m; forever
//	tg:s                        zset    the store          deleted APIs, until they are swept
//	tg:s:lease                  string  the store          which gateway sweeps; seconds
//	tg:s:t                      string  the store          when tombstones are looked at next, and how often none was
//	                                                       found in a row that has more than it should; forever
//	tg:v:{WS}BUCKET             string  a workspace        its revisions, forever
//	tg:v:{SH}WS:BUCKET          string  a workspace        copies of them, on a Cluster alone
//	tg:v:{WS}BUCKET:a           zset    a workspace        changes prepared on a Cluster; seconds
//	tg:d:{WS}KIND:ID            string  a definition       until it is deleted
//	tg:x:{WS}KIND               hash    a workspace        unique name to id, per kind
//	tg:xf:{WS}KIND              hash    a workspace        of names that are spelt in tg:x: in lower case to id, and
//	                                                       "" to what it was made from, see foldednames.go; forever
//	tg:xf:{WS}KIND:NEW          hash    a workspace        the next one while it is made; a minute
//	tg:l:{WS}KIND               zset    a workspace        ids, per kind; of root keys as tg:l:API
//	tg:sg:{WS}GROUP             zset    a group            ids of setup keys that may refer to it; as the group
//	tg:sr:{SH}TAG               hash    a setup key        peer to what it was told; as the key
//	tg:sp:{SH}TAG               zset    a setup key        peers by the time of their redemption; as the key
//	tg:sw:{SH}TAG               hash    a setup key        peer to the token of a claim that was withdrawn; as the key
//	tg:sc:{SH}WS:PEER           string  a peer             its claim: the id of the setup key that it redeemed, and a
//	                                                       token; as that key. PEER is the digest of its name
//	tg:sf:{SH}TAG               list    a setup key        the last refusals; 30 days
//	tg:n:{SH}TAG                string  a key              when it was last used; as the key
//	tg:a:{WS}                   zset    a workspace        its audit log: the entries of changes; the log's retention
//	tg:a:{WS}:r                 zset    a workspace        the entries of what was refused; likewise
//	tg:u:{SH}SUBJECT:DAY        hash    an API's usage     of a subject: an API, API:IDENTITY, KEY or KEY:IDENTITY;
//	                                                       hour, outcome and tags to a count; for the retention
//	tg:u:{SH}API:DAY:k, :i      zset    an API's usage     its keys with their identity, its identities; as the counts
//	tg:u:{SH}API:DAY:t          hash    an API's usage     tags to their numbers; as the counts
//
// SH, the shard, is two hex digits: the first byte of a key's digest, or of the
// hash of another owner's id. It is the hash tag, so a Cluster sees 256 places
// rather than one per key. That is what lets a workspace's revision be copied
// into each of them and a verification stay one call in one slot.

// Place is a shard and a tag.
type Place struct{ Text string }

// EmptyPlace is where an id would lead that nothing has: no key is ever there.
func EmptyPlace(id string) Place {
	at := PlaceOf(keys.NewSecret("id:" + id).Digest())
	at.Text += ":none"
	return at
}

// Exists reports whether it leads anywhere.
func (p Place) Exists() bool { return len(p.Text) > 2 }

// Shard is the shard of the place.
func (p Place) Shard() string { return p.Text[:2] }

// Record names the record of the key.
func (p Place) Record() string { return "tg:k:{" + p.Text[:2] + "}" + p.Text[2:] }

// Tombstone names the tombstone of the key.
func (p Place) Tombstone() string { return "tg:t:{" + p.Text[:2] + "}" + p.Text[2:] }

// Kept is where the record of a soft-deleted key is until its retention ends.
func (p Place) Kept() string { return "tg:td:{" + p.Text[:2] + "}" + p.Text[2:] }

// CounterIndex names the index of a key's counters that requests made.
func (p Place) CounterIndex(keyID string) string { return CounterIndexName(p.Shard(), keyID) }

// LastUsed names the moment when the key was last used.
func (p Place) LastUsed() string { return "tg:n:{" + p.Text[:2] + "}" + p.Text[2:] }

// What a setup key has beside its record: what each peer was told, the peers by
// time, and the last refusals.
func (p Place) Redemptions() string { return "tg:sr:{" + p.Text[:2] + "}" + p.Text[2:] }

// Peers names the peers of a setup key by the time of their redemption.
func (p Place) Peers() string { return "tg:sp:{" + p.Text[:2] + "}" + p.Text[2:] }

// Withdrawn names the claims of a setup key that were withdrawn.
func (p Place) Withdrawn() string { return "tg:sw:{" + p.Text[:2] + "}" + p.Text[2:] }

// Refusals names the last refusals of a setup key.
func (p Place) Refusals() string { return "tg:sf:{" + p.Text[:2] + "}" + p.Text[2:] }

// CounterBudgetName names the record of how many counters a workspace has in a shard.
func CounterBudgetName(shard, ws string) string { return "tg:cb:{" + shard + "}" + ws }

// ShardOf returns the shard of an owner of counters that is not a key.
func ShardOf(owner string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(owner))
	return ShardName(byte(h.Sum32()))
}

// ShardName is the shard of a byte: two hex digits.
func ShardName(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}

// ShardCount is how many there are.
const ShardCount = 256

const (
	WorkspacesName = "tg:w"
	SweepName      = "tg:s"
	SweepLeaseName = "tg:s:lease"
	TombstonesDue  = "tg:s:t"

	CounterSweepName      = "tg:s:counters"
	CounterSweepLeaseName = "tg:s:counters:lease"
)

// MarkerName names the marker of a shard on a Cluster, and that of the whole store for "".
func MarkerName(shard string) string {
	if shard == "" {
		return "tg:m"
	}
	return "tg:m:{" + shard + "}"
}

// IndexName names the index of a key's id.
func IndexName(keyID string) string { return "tg:i:" + keyID }

// KeyListName names the list of an API's keys, or of those of one identity.
func KeyListName(apiID, identityID string) string {
	if identityID == "" {
		return "tg:l:" + apiID
	}
	return "tg:l:" + apiID + ":" + identityID
}

// TombstonesName names the list of an API's tombstones.
func TombstonesName(apiID string) string { return "tg:tl:" + apiID }

// RevisionName names the revision of a part of a workspace's definitions.
func RevisionName(ws string, b Bucket) string { return "tg:v:{" + ws + "}" + string(b) }

// PreparationsName names the prepared changes of a revision, on a Cluster.
func PreparationsName(ws string, b Bucket) string { return RevisionName(ws, b) + ":a" }

// RevisionCopyName names a shard's copy of a revision, on a Cluster.
func RevisionCopyName(shard, ws string, b Bucket) string {
	return "tg:v:{" + shard + "}" + ws + ":" + string(b)
}

// DefinitionName names a definition.
func DefinitionName(ws string, k Kind, id string) string {
	return "tg:d:{" + ws + "}" + string(k) + ":" + id
}

// UniqueName names the index of the unique names of one kind of definitions.
func UniqueName(ws string, k Kind) string { return "tg:x:{" + ws + "}" + string(k) }

// FoldedName names the index of the folded forms of names.
func FoldedName(ws string, k Kind) string { return "tg:xf:{" + ws + "}" + string(k) }

// ListName names the list of one kind of definitions.
func ListName(ws string, k Kind) string { return "tg:l:{" + ws + "}" + string(k) }

// ClaimName names the claim of a peer in a workspace.
func ClaimName(ws, peer string) string {
	sum := sha256.Sum256([]byte(peer))
	return "tg:sc:{" + ShardName(sum[0]) + "}" + ws + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// GroupKeysName names the list of the setup keys that may refer to a group.
func GroupKeysName(ws, groupID string) string { return "tg:sg:{" + ws + "}" + groupID }

// AuditName names the audit log of a workspace: what was changed, or may have been.
func AuditName(ws string) string { return "tg:a:{" + ws + "}" }

// AuditRefusalsName names the part of the audit log that has what was refused.
func AuditRefusalsName(ws string) string { return AuditName(ws) + ":r" }

// Bucket is a part of a workspace's definitions with a revision of its own.
// Identities change as often as an application's users do, so they have buckets
// of their own: a change of one makes few others be read again.
type Bucket string

const SharedBucket Bucket = "d"

// IdentityBucket is the part of the definitions that an identity belongs to.
func IdentityBucket(identityID string) Bucket {
	h := fnv.New32a()
	_, _ = h.Write([]byte(identityID))
	return Bucket("i" + strconv.Itoa(int(h.Sum32()>>8%16)))
}

// NamespaceBucket is like identityBucket, for rate limit namespaces.
func NamespaceBucket(namespaceID string) Bucket {
	h := fnv.New32a()
	_, _ = h.Write([]byte(namespaceID))
	return Bucket("n" + strconv.Itoa(int(h.Sum32()>>8%16)))
}

// AllBuckets lists every bucket.
func AllBuckets() []Bucket {
	all := []Bucket{SharedBucket}
	for i := range 16 {
		all = append(all, Bucket("i"+strconv.Itoa(i)), Bucket("n"+strconv.Itoa(i)))
	}
	return all
}

// Shards lists every shard.
func Shards() []string {
	all := make([]string, ShardCount)
	for i := range all {
		all[i] = ShardName(byte(i))
	}
	return all
}

// UsageName names the counts of a subject on a day, counted from the epoch.
func UsageName(subject string, day int64) string {
	return "tg:u:{" + ShardOf(subject) + "}" + subject + ":" + strconv.FormatInt(day, 10)
}

// What an index of an API's usage lists.
const (
	UsageOfKeys       = "k"
	UsageOfIdentities = "i"
)

// UsageIndexName names an index of an API's usage on a day.
func UsageIndexName(apiID string, day int64, of string) string {
	return UsageName(apiID, day) + ":" + of
}

// UsageTagsName names the numbers of an API's tags on a day.
func UsageTagsName(apiID string, day int64) string { return UsageName(apiID, day) + ":t" }

// KeySubject is a key, while it belonged to an identity.
func KeySubject(keyID, identityID string) string {
	if identityID == "" {
		return keyID
	}
	return keyID + ":" + identityID
}

// IdentitySubject is the keys of an identity in an API; those without one have "".
func IdentitySubject(apiID, identityID string) string { return apiID + ":" + identityID }
