package audit

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

//go:embed read.lua
var readLua string

var readScript = redisdb.NewScript(readLua).ReadOnly()

// Query says which entries are wanted. The zero value asks for the newest.
type Query struct {
	Limit    int    // how many at most: 1 to MaxRows; 0 is DefaultRows
	Before   string // older ones than the entry with this id alone; "" for the newest
	After    string // newer ones alone, oldest first; takes no Before
	Actor    string // of the root key with this id, or this name, alone
	Action   Name   // of this action alone, or of a resource's with "RESOURCE."
	Resource string // about the thing with this id alone
	Since    int64  // unix ms; older ones are left out
	Until    int64  // unix ms; those of this moment and newer ones are left out; 0 for none
}

// Bounds of a page.
const (
	DefaultRows = 100
	MaxRows     = 100
	readStep    = 50   // entries of each list that are read at once
	readSpan    = 2000 // entries that a query looks at, however few it finds
	settleTime  = 200 * time.Millisecond
)

// Page is some entries. Next is Before, or After, of the next page; "" where this is the last.
// A query that has looked at as much as it may has few rows, and a Next.
type Page struct {
	Rows []Entry
	Next string
}

var entryIDs = regexp.MustCompile(`^aud_[0-9]{16}[A-Za-z0-9]{0,40}$`)

// check refuses with KindInvalid what no query can ask.
func (q *Query) check() error {
	for _, cursor := range []string{q.Before, q.After} {
		if cursor != "" && !entryIDs.MatchString(cursor) {
			return keys.Invalidf("cursor", "must be the id of an entry")
		}
	}
	switch {
	case q.Before != "" && q.After != "":
		return keys.Invalidf("cursor", "before and after exclude each other")
	case q.Since < 0 || q.Since > keys.MaxTime:
		return keys.Invalidf("since", "unix milliseconds")
	case q.Until < 0 || q.Until > keys.MaxTime:
		return keys.Invalidf("until", "unix milliseconds")
	}
	if q.Limit < 1 {
		q.Limit = DefaultRows
	}
	q.Limit = min(q.Limit, MaxRows)
	return nil
}

// Entries returns entries of the caller's workspace: the newest first, or with After the
// oldest first. What this process has answered has its result there.
func (l *Log) Entries(ctx context.Context, a keys.Access, q Query) (page Page, err error) {
	if err := q.check(); err != nil {
		return page, err
	}
	if err := a.Check(""); err != nil {
		return page, err
	}
	l.settle(ctx)
	for looked := 0; looked < readSpan; looked += readStep {
		part, more, err := l.readPart(ctx, a.WorkspaceID, &q)
		if err != nil {
			return page, err
		}
		for i, e := range part {
			if !q.wants(e) {
				continue
			}
			if page.Rows = append(page.Rows, e); len(page.Rows) == q.Limit {
				if more || i < len(part)-1 {
					page.Next = e.ID
				}
				return page, nil
			}
		}
		if !more {
			return page, nil
		}
		q.goOn(part[len(part)-1].ID)
	}
	page.Next = q.cursor()
	return page, nil
}

// settle waits a moment for the results of what this process has answered.
func (l *Log) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	_ = l.Flush(ctx) // without them entries are pending
}

func (q *Query) goOn(id string) {
	if q.After != "" {
		q.After = id
	} else {
		q.Before = id
	}
}

func (q *Query) cursor() string { return q.Before + q.After }

// part returns where the entries begin and end that the query may want, for ZRANGEBYLEX.
func (q *Query) part() (begin, end string) {
	begin, end = "["+momentID(q.Since), "+"
	if q.After > momentID(q.Since) {
		begin = "(" + q.After + behind
	}
	if q.Until > 0 {
		end = "(" + momentID(q.Until)
	}
	if q.Before != "" && (q.Until == 0 || q.Before < momentID(q.Until)) {
		end = "(" + q.Before
	}
	return begin, end
}

// momentID sorts before the ids of a moment and after those before it.
func momentID(ms int64) string { return fmt.Sprintf("%s%0*d", idPrefix, idDigits, ms*1000) }

// readPart reads the next entries that the query may want, and reports whether there may be
// more behind them.
func (l *Log) readPart(ctx context.Context, ws string, q *Query) (part []Entry, more bool, err error) {
	begin, end := q.part()
	newest := redisdb.Flag(q.After == "")
	lists, err := l.db.Run(ctx, readScript, []string{layout.AuditName(ws), layout.AuditRefusalsName(ws)}, begin, end, readStep, newest)
	if err != nil {
		return nil, false, err
	}
	for _, list := range lists {
		rows, _ := list.([]any)
		more = more || len(rows) == readStep
		for _, row := range rows {
			e, err := decode(redisdb.Text(row))
			if err != nil {
				return nil, false, err
			}
			part = append(part, e)
		}
	}
	slices.SortFunc(part, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	if q.After == "" {
		slices.Reverse(part)
	}
	return part[:min(len(part), readStep)], more || len(part) > readStep, nil
}

// wants reports whether an entry is asked for.
func (q *Query) wants(e Entry) bool {
	switch {
	case q.Actor != "" && q.Actor != e.Actor.ID && q.Actor != e.Actor.Name && q.Actor != string(e.Actor.Type):
		return false
	case q.Action != "" && q.Action != e.Action && !(strings.HasSuffix(string(q.Action), ".") && strings.HasPrefix(string(e.Action), string(q.Action))):
		return false
	}
	return q.Resource == "" || slices.ContainsFunc(e.Resources, func(r Resource) bool { return r.ID == q.Resource })
}
