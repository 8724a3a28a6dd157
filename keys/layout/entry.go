package layout

import (
	"context"
	"strings"

	"tollgate/keys"

	"github.com/redis/go-redis/v9"
)

// An entry of a list of keys is a key's id and, behind a blank, its place, so that
// whoever reads a page need not ask the index where each key is: among a million, that
// takes as long as reading the keys. A key whose place is not final yet, because it
// waits for its migration, has its id alone, as all had that older versions listed; the
// index leads to it. Behind the place of a rerolled key's record, and one more blank, the
// entry of a later secret has the place of its pointer.

// entrySeparator sorts before every character of an id, and entryEnd right behind it.
const (
	EntrySeparator = " "
	entryEnd       = "!"
)

// EntryOf returns the entry of a key in lists.
func EntryOf(k *keys.Key) string {
	if k.Migration != "" {
		return k.ID
	}
	entry, own := k.ID+EntrySeparator+KeyPlace(k).Text, PlaceOf(k.Digest)
	if own != KeyPlace(k) {
		entry += EntrySeparator + own.Text
	}
	return entry
}

// ListedID is the id in an entry of either form.
func ListedID(entry string) string {
	id, _, _ := strings.Cut(entry, EntrySeparator)
	return id
}

// Behind is where, for ZRANGEBYLEX, the entries begin that are behind those of an id.
func Behind(id string) string { return "(" + id + entryEnd }

// Single returns entries of which several have one id, as a crash while the key got its
// final place leaves them, as that id alone: the index tells which holds.
func Single(entries []string) []string {
	all := make([]string, 0, len(entries))
	for _, entry := range entries {
		if n := len(all); n > 0 && ListedID(all[n-1]) == ListedID(entry) {
			all[n-1] = ListedID(entry)
		} else {
			all = append(all, entry)
		}
	}
	return all
}

// AddToList puts a key into a list, and takes away the entry in the other form.
func AddToList(ctx context.Context, p redis.Pipeliner, name string, k *keys.Key) {
	entry := EntryOf(k)
	p.ZAdd(ctx, name, redis.Z{Member: entry})
	if entry != k.ID {
		p.ZRem(ctx, name, k.ID)
	}
}

// RemoveFromList takes a key out of a list, in whatever form it is there.
func RemoveFromList(ctx context.Context, p redis.Pipeliner, name string, k *keys.Key) {
	p.ZRem(ctx, name, k.ID, EntryOf(k))
}
