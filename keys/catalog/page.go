package catalog

import (
	"context"
	"slices"
	"strings"

	"tollgate/keys"
	"tollgate/keys/layout"

	"github.com/redis/go-redis/v9"
)

// ListOptions says which rows of a list are wanted. The zero value asks for the first.
type ListOptions struct {
	Limit       int    // how many rows at most: 1 to MaxRows; 0 is DefaultRows
	After       string // rows with greater ids alone; what can't be an id of the list is KindInvalid
	From        string // rows with this id or greater ones alone, where After is empty; as After
	Search      string // rows with this text in them alone, without regard to case
	Environment string // of identities; "" is every one
}

// idPrefixes are the prefixes of the ids in the lists of definitions. Migrations are not
// among them: their ids may be chosen.
var idPrefixes = map[layout.Kind]string{
	layout.KindAPI: keys.PrefixAPI, layout.KindPermission: keys.PrefixPermission, layout.KindRole: keys.PrefixRole, layout.KindIdentity: keys.PrefixIdentity, layout.KindNamespace: keys.PrefixNamespace,
}

// Bounds of a page.
const (
	DefaultRows = 100
	MaxRows     = 1000
	searchSpan  = 2000 // rows that one search looks at, however few it finds
	searchStep  = 100  // rows that are read at a time by a search
)

// Page is rows of a list, in the order of their ids, which is about that of their age.
type Page[T any] struct {
	Rows  []T
	Next  string // From of the next page; "" where this is the last
	Total int64  // how many rows the list has, whatever was searched
}

// rows is how many rows the page may have.
func (ask ListOptions) rows() int {
	if ask.Limit < 1 {
		return DefaultRows
	}
	return min(ask.Limit, MaxRows)
}

// checkCursor refuses an ask whose cursor can't be an id of a list of definitions.
func checkCursor(ask ListOptions, k layout.Kind) error {
	if k != layout.KindMigration {
		return keys.CheckCursors(idPrefixes[k], ask.After, ask.From)
	}
	for _, cursor := range []string{ask.After, ask.From} {
		if cursor != "" && !keys.MigrationIDs.MatchString(cursor) {
			return keys.Invalidf("cursor", "must be the id of a migration")
		}
	}
	return nil
}

// span is how many ids are looked at, and how many of their rows are read at a time.
func (ask ListOptions) span() (span, step int) {
	if ask.Search == "" {
		return ask.rows(), ask.rows()
	}
	return searchSpan, searchStep
}

// matches reports whether a row with these texts is searched for.
func (ask ListOptions) matches(texts []string) bool {
	wanted := strings.ToLower(ask.Search)
	return wanted == "" || slices.ContainsFunc(texts, func(text string) bool {
		return strings.Contains(strings.ToLower(text), wanted)
	})
}

// Start is where the page begins, for ZRANGEBYLEX.
func (ask ListOptions) Start() string {
	switch {
	case ask.After != "":
		return "(" + ask.After
	case ask.From != "":
		return "[" + ask.From
	}
	return "-"
}

// PageOf reads a page of a workspace's definitions of one kind. A search that looked
// at as much as it may gives what it found and where to go on. texts are what a
// search looks into.
func PageOf[T any](ctx context.Context, s *Catalog, ws string, k layout.Kind, ask ListOptions, texts func(*T) []string) (Page[*T], error) {
	if err := checkCursor(ask, k); err != nil {
		return Page[*T]{}, err
	}
	span, step := ask.span()
	ids, total, err := s.IDsOf(ctx, ws, k, ask.Start(), span+1)
	page := Page[*T]{Rows: []*T{}, Total: total}
	if err != nil {
		return page, err
	}
	if len(ids) > span {
		ids, page.Next = ids[:span], ids[span]
	}
	for chunk := range slices.Chunk(ids, step) {
		found, _, err := ReadDefinitions[T](ctx, s, ws, k, chunk)
		if err != nil {
			return page, err
		}
		for i, row := range found {
			switch {
			case row == nil || !ask.matches(texts(row)):
			case len(page.Rows) == ask.rows():
				page.Next = chunk[i]
				return page, nil
			default:
				page.Rows = append(page.Rows, row)
			}
		}
	}
	return page, nil
}

// IDsOf returns up to n ids of a list of definitions, and how long it is.
func (s *Catalog) IDsOf(ctx context.Context, ws string, k layout.Kind, start string, n int) ([]string, int64, error) {
	var ids *redis.StringSliceCmd
	var total *redis.IntCmd
	err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		ids = p.ZRangeByLex(ctx, layout.ListName(ws, k), &redis.ZRangeBy{Min: start, Max: "+", Count: int64(n)})
		total = p.ZCard(ctx, layout.ListName(ws, k))
	})
	if err != nil {
		return nil, 0, err
	}
	return ids.Val(), total.Val(), nil
}
