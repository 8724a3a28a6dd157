package keys

import (
	"crypto/sha256"
	"encoding/base64"
	"hash/fnv"
	"strconv"
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
//	tg:u:{SH}SUBJECT:DAY        hash    an API's usage     of a subject: an API, API:IDENTITY, KEY or KEY:IDENTITY;
//	                                                       hour, outcome and tags to a count; for the retention
//	tg:u:{SH}API:DAY:k, :i      zset    an API's usage     its keys with their identity, its identities; as the counts
//	tg:u:{SH}API:DAY:t          hash    an API's usage     tags to their numbers; as the counts
//
// SH, the shard, is two hex digits: the first byte of a key's digest, or of the
// hash of another owner's id. It is the hash tag, so a Cluster sees 256 places
// rather than one per key. That is what lets a workspace's revision be copied
// into each of them and a verification stay one call in one slot.

// place is a shard and a tag.
type place struct{ text string }

// emptyPlace is where an id would lead that nothing has: no key is ever there.
func emptyPlace(id string) place {
	at := NewSecret("id:" + id).Digest().place()
	at.text += ":none"
	return at
}

// exists reports whether it leads anywhere.
func (p place) exists() bool { return len(p.text) > 2 }

func (p place) shard() string     { return p.text[:2] }
func (p place) record() string    { return "tg:k:{" + p.text[:2] + "}" + p.text[2:] }
func (p place) tombstone() string { return "tg:t:{" + p.text[:2] + "}" + p.text[2:] }

// kept is where the record of a soft-deleted key is until its retention ends.
func (p place) kept() string { return "tg:td:{" + p.text[:2] + "}" + p.text[2:] }

// counterIndex names the index of a key's counters that requests made.
func (p place) counterIndex(keyID string) string { return counterIndexName(p.shard(), keyID) }

func (p place) lastUsed() string { return "tg:n:{" + p.text[:2] + "}" + p.text[2:] }

// What a setup key has beside its record: what each peer was told, the peers by
// time, and the last refusals.
func (p place) redemptions() string { return "tg:sr:{" + p.text[:2] + "}" + p.text[2:] }
func (p place) peers() string       { return "tg:sp:{" + p.text[:2] + "}" + p.text[2:] }
func (p place) withdrawn() string   { return "tg:sw:{" + p.text[:2] + "}" + p.text[2:] }
func (p place) refusals() string    { return "tg:sf:{" + p.text[:2] + "}" + p.text[2:] }

// Counter names the window counter of a limit that is not stored on the key it
// is checked for: shared by an identity's keys, named in a request, or of a
// namespace. The owner decides the slot when shard is empty.
func Counter(shard, owner, name string, duration int64) string {
	if shard == "" {
		shard = ShardOf(owner)
	}
	return "tg:c:{" + shard + "}" + owner + ":" + strconv.FormatInt(duration, 10) + ":" + name
}

// counterIndexName is as long before its last part as Counter is: verify.lua cuts one
// out of the other.
func counterIndexName(shard, keyID string) string { return "tg:ci:{" + shard + "}" + keyID }

func counterBudgetName(shard, ws string) string { return "tg:cb:{" + shard + "}" + ws }

// ShardOf returns the shard of an owner of counters that is not a key.
func ShardOf(owner string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(owner))
	return shardName(byte(h.Sum32()))
}

func shardName(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}

// shards is how many there are.
const shards = 256

const (
	workspacesName = "tg:w"
	sweepName      = "tg:s"
	sweepLeaseName = "tg:s:lease"
	tombstonesDue  = "tg:s:t"

	counterSweepName      = "tg:s:counters"
	counterSweepLeaseName = "tg:s:counters:lease"
)

// markerName names the marker of a shard on a Cluster, and that of the whole store for "".
func markerName(shard string) string {
	if shard == "" {
		return "tg:m"
	}
	return "tg:m:{" + shard + "}"
}

func indexName(keyID string) string { return "tg:i:" + keyID }

func keyListName(apiID, identityID string) string {
	if identityID == "" {
		return "tg:l:" + apiID
	}
	return "tg:l:" + apiID + ":" + identityID
}

// tombstonesName names the list of an API's tombstones.
func tombstonesName(apiID string) string { return "tg:tl:" + apiID }

func revisionName(ws string, b bucket) string { return "tg:v:{" + ws + "}" + string(b) }

func preparationsName(ws string, b bucket) string { return revisionName(ws, b) + ":a" }

func revisionCopyName(shard, ws string, b bucket) string {
	return "tg:v:{" + shard + "}" + ws + ":" + string(b)
}

func definitionName(ws string, k definitionKind, id string) string {
	return "tg:d:{" + ws + "}" + string(k) + ":" + id
}

func uniqueName(ws string, k definitionKind) string { return "tg:x:{" + ws + "}" + string(k) }

// foldedName names the index of the folded forms of names.
func foldedName(ws string, k definitionKind) string { return "tg:xf:{" + ws + "}" + string(k) }

func listName(ws string, k definitionKind) string { return "tg:l:{" + ws + "}" + string(k) }

// claimName names the claim of a peer in a workspace.
func claimName(ws, peer string) string {
	sum := sha256.Sum256([]byte(peer))
	return "tg:sc:{" + shardName(sum[0]) + "}" + ws + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// groupKeysName names the list of the setup keys that may refer to a group.
func groupKeysName(ws, groupID string) string { return "tg:sg:{" + ws + "}" + groupID }

// bucket is a part of a workspace's definitions with a revision of its own.
// Identities change as often as an application's users do, so they have buckets
// of their own: a change of one makes few others be read again.
type bucket string

const sharedBucket bucket = "d"

func identityBucket(identityID string) bucket {
	h := fnv.New32a()
	_, _ = h.Write([]byte(identityID))
	return bucket("i" + strconv.Itoa(int(h.Sum32()>>8%16)))
}

// namespaceBucket is like identityBucket, for rate limit namespaces.
func namespaceBucket(namespaceID string) bucket {
	h := fnv.New32a()
	_, _ = h.Write([]byte(namespaceID))
	return bucket("n" + strconv.Itoa(int(h.Sum32()>>8%16)))
}

// allBuckets lists every bucket.
func allBuckets() []bucket {
	all := []bucket{sharedBucket}
	for i := range 16 {
		all = append(all, bucket("i"+strconv.Itoa(i)), bucket("n"+strconv.Itoa(i)))
	}
	return all
}

// Shards lists every shard.
func Shards() []string {
	all := make([]string, shards)
	for i := range all {
		all[i] = shardName(byte(i))
	}
	return all
}

// usageName names the counts of a subject on a day, counted from the epoch.
func usageName(subject string, day int64) string {
	return "tg:u:{" + ShardOf(subject) + "}" + subject + ":" + strconv.FormatInt(day, 10)
}

// What an index of an API's usage lists.
const (
	usageOfKeys       = "k"
	usageOfIdentities = "i"
)

func usageIndexName(apiID string, day int64, of string) string {
	return usageName(apiID, day) + ":" + of
}

func usageTagsName(apiID string, day int64) string { return usageName(apiID, day) + ":t" }

// keySubject is a key, while it belonged to an identity.
func keySubject(keyID, identityID string) string {
	if identityID == "" {
		return keyID
	}
	return keyID + ":" + identityID
}

// identitySubject is the keys of an identity in an API; those without one have "".
func identitySubject(apiID, identityID string) string { return apiID + ":" + identityID }
