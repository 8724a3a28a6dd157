package keys

import (
	"context"
	"strings"

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
	entrySeparator = " "
	entryEnd       = "!"
)

func entryOf(k *Key) string {
	if k.Migration != "" {
		return k.ID
	}
	entry, own := k.ID+entrySeparator+k.place().text, k.Digest.place()
	if own != k.place() {
		entry += entrySeparator + own.text
	}
	return entry
}

// listedID is the id in an entry of either form.
func listedID(entry string) string {
	id, _, _ := strings.Cut(entry, entrySeparator)
	return id
}

// behind is where, for ZRANGEBYLEX, the entries begin that are behind those of an id.
func behind(id string) string { return "(" + id + entryEnd }

// single returns entries of which several have one id, as a crash while the key got its
// final place leaves them, as that id alone: the index tells which holds.
func single(entries []string) []string {
	all := make([]string, 0, len(entries))
	for _, entry := range entries {
		if n := len(all); n > 0 && listedID(all[n-1]) == listedID(entry) {
			all[n-1] = listedID(entry)
		} else {
			all = append(all, entry)
		}
	}
	return all
}

// addToList puts a key into a list, and takes away the entry in the other form.
func addToList(ctx context.Context, p redis.Pipeliner, name string, k *Key) {
	entry := entryOf(k)
	p.ZAdd(ctx, name, redis.Z{Member: entry})
	if entry != k.ID {
		p.ZRem(ctx, name, k.ID)
	}
}

// removeFromList takes a key out of a list, in whatever form it is there.
func removeFromList(ctx context.Context, p redis.Pipeliner, name string, k *Key) {
	p.ZRem(ctx, name, k.ID, entryOf(k))
}

// places tells where the keys of entries are; no place where the index has none.
func (s *Store) places(ctx context.Context, entries []string) ([]place, error) {
	all, asked := make([]place, len(entries)), map[int]*redis.StringCmd{}
	fill := func(p redis.Pipeliner) {
		for i, entry := range entries {
			if _, at, ok := strings.Cut(entry, entrySeparator); ok {
				home, _, _ := strings.Cut(at, entrySeparator)
				all[i] = place{home}
			} else {
				asked[i] = p.Get(ctx, indexName(entry))
			}
		}
	}
	err := s.pipelined(ctx, fill)
	for i, cmd := range asked {
		all[i] = place{cmd.Val()}
	}
	return all, err
}
