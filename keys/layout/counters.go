package layout

import (
	"strconv"
	"strings"

	"tollgate/keys"
	"tollgate/ratelimit"
)

// IsNamespaceID reports whether a text has the form of a namespace's id.
func IsNamespaceID(text string) bool { return strings.HasPrefix(text, keys.PrefixNamespace+"_") }

// CounterOwner is what the name of a counter says of whose it is.
type CounterOwner struct {
	Shard, Owner, limit string
	Duration            int64 // ms
}

// Member is what the index of a key calls the counter.
func (c CounterOwner) Member() string { return strconv.FormatInt(c.Duration, 10) + ":" + c.limit }

// Counter names the window counter of a limit that is not stored on the key it
// is checked for: shared by an identity's keys, named in a request, or of a
// namespace. The owner decides the slot when shard is empty.
func Counter(shard, owner, name string, duration int64) string {
	if shard == "" {
		shard = ShardOf(owner)
	}
	return "tg:c:{" + shard + "}" + owner + ":" + strconv.FormatInt(duration, 10) + ":" + name
}

// ParseCounter reads what Counter wrote.
func ParseCounter(name string) (c CounterOwner, ok bool) {
	rest, ok := strings.CutPrefix(name, "tg:c:{")
	if !ok || len(rest) < 3 || rest[2] != '}' {
		return c, false
	}
	c.Shard = rest[:2]
	owner, rest, ok := strings.Cut(rest[3:], ":")
	duration, limit, also := strings.Cut(rest, ":")
	ms, err := strconv.ParseInt(duration, 10, 64)
	if !ok || !also || !IsID(owner) || err != nil || ms < ratelimit.MinDuration || ms > ratelimit.MaxDuration {
		return CounterOwner{}, false
	}
	c.Owner, c.limit, c.Duration = owner, limit, ms
	return c, Counter(c.Shard, owner, limit, ms) == name
}

// CounterIndexName is as long before its last part as Counter is: verify.lua cuts one
// out of the other.
func CounterIndexName(shard, keyID string) string { return "tg:ci:{" + shard + "}" + keyID }

// ParseCounterIndex reads what CounterIndexName wrote.
func ParseCounterIndex(name string) (c CounterOwner, ok bool) {
	rest, ok := strings.CutPrefix(name, "tg:ci:{")
	if !ok || len(rest) < 3 || rest[2] != '}' || !IsID(rest[3:]) {
		return c, false
	}
	return CounterOwner{Shard: rest[:2], Owner: rest[3:]}, true
}

// IsID reports whether a text can be an id that was made here.
func IsID(text string) bool {
	for _, r := range text {
		if r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return text != "" && len(text) <= 64
}

// Defined returns the kind of the owner, if it is a definition, and its counter's shard.
func (c CounterOwner) Defined() (k Kind, shard string) {
	switch {
	case strings.HasPrefix(c.Owner, keys.PrefixIdentity+"_"):
		return KindIdentity, ShardOf(c.Owner)
	case IsNamespaceID(c.Owner):
		return KindNamespace, ShardOf(c.Owner + ":" + c.limit)
	}
	return "", ""
}
