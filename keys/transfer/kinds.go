package transfer

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/setupkeys"
)

// recordKind is one kind of record of an export.
type recordKind struct {
	name  string                     // of the member of the JSON that makes a record one of the kind
	of    func(*ExportRecord) string // what the record says in it; "" where it is of another kind
	title string                     // what messages call what is in it; "" for a definition, which says itself
	check func(l *checkedRecord, ws string) error

	// export emits all records of the kind, or those behind one; nil where there is nothing
	// to emit, or where another kind's emits it.
	export func(e *exporter, ctx context.Context, after *ExportRecord) error
	// store stores records of the kind; nil for a mark, of which nothing is stored.
	store func(s *Transfer, ctx context.Context, ws string, lines []checkedRecord, done *Imported) error
}

// recordKinds are the kinds of records in the order in which they are exported and in which
// they are stored: each may refer to what is of a kind before it. This is the one list of
// them.
var recordKinds = []recordKind{
	{name: "tollgate", of: func(l *ExportRecord) string { return said(l.Version != 0) }, check: (*checkedRecord).checkHead},
	{name: "noun", of: func(l *ExportRecord) string { return l.Kind }, check: (*checkedRecord).checkDefinition,
		export: (*exporter).allDefinitions, store: (*Transfer).importDefined},
	{name: "key", of: func(l *ExportRecord) string { return l.Key }, title: "key", check: (*checkedRecord).checkKey,
		export: (*exporter).allKeys, store: (*Transfer).importKeys},
	{name: "redeemed", of: func(l *ExportRecord) string { return l.Redeemed }, title: "redemptions of setup key", check: (*checkedRecord).checkRedeemed,
		export: (*exporter).allRedeemed, store: (*Transfer).importRedeemed},
	{name: "usage", of: func(l *ExportRecord) string { return l.Usage }, title: "usage of API", check: (*checkedRecord).checkUsage,
		export: (*exporter).allUsage, store: (*Transfer).importUsage},
	{name: "audit", of: func(l *ExportRecord) string { return l.Audit }, title: "audit entry", check: (*checkedRecord).checkAudit,
		export: (*exporter).allAudited, store: (*Transfer).importAudited},
	{name: "counter", of: func(l *ExportRecord) string { return l.Counter }, title: "counter", check: (*checkedRecord).checkCounter,
		store: (*Transfer).importCounters},
	{name: "buried", of: func(l *ExportRecord) string { return l.Tombstone }, title: "deleted key", check: (*checkedRecord).checkTombstone,
		store: (*Transfer).importTombstones},
	{name: "scan", of: func(l *ExportRecord) string { return said(l.Scan) }, check: (*checkedRecord).checkMark, export: (*exporter).scan},
	{name: "end", of: func(l *ExportRecord) string { return said(l.End) }, check: (*checkedRecord).checkMark},
}

func said(yes bool) string {
	if yes {
		return "true"
	}
	return ""
}

// kindOf returns the place in recordKinds of the kind that a record says it is; an error
// where it says none or several.
func kindOf(l *ExportRecord) (at int, err error) {
	n := 0
	for i := range recordKinds {
		if recordKinds[i].of(l) != "" {
			n, at = n+1, i
		}
	}
	if n == 1 {
		return at, nil
	}
	names := make([]string, len(recordKinds))
	for i := range recordKinds {
		names[i] = recordKinds[i].name
	}
	last := len(names) - 1
	return 0, keys.Invalidf("", "says %d things that it is: one of %s and %s", n, strings.Join(names[:last], ", "), names[last])
}

// Together is the same text for records that may be stored side by side. One of another
// may refer to what comes before it, and be referred to by what comes behind it.
func (l *ExportRecord) Together() string {
	at, err := kindOf(l)
	switch {
	case err != nil:
		return ""
	case l.Kind != "":
		return l.Kind + " " + strconv.FormatBool(l.Name != "")
	}
	return recordKinds[at].name
}

// what is the kind of what a record holds, and its id or name.
func (l *checkedRecord) what() (kind, id string) {
	switch {
	case l.kind.title != "":
		return l.kind.title, l.kind.of(l.ExportRecord)
	case l.Name != "":
		return l.Kind + " name", l.Name
	}
	return l.Kind, l.ID
}

// definitionKind is one kind of definition.
type definitionKind struct {
	kind layout.Kind
	page int // how many of them are read together
	// id reads the id in a record of a workspace, and refuses one that could not have been stored.
	id func(ws, stored string) (string, error)
}

// definitionKinds are the kinds of definitions that a workspace has, in the order in which
// they are exported and stored.
var definitionKinds = []definitionKind{
	{layout.KindAPI, transferPage, idIn(func(ws string, d *keys.API) (string, error) {
		if d.WorkspaceID != ws {
			return "", errForeignAPI
		}
		return d.ID, nil
	})},
	{layout.KindPermission, transferPage, idIn(func(_ string, d *keys.Permission) (string, error) { return d.ID, nil })},
	{layout.KindRole, transferPage, idIn(func(_ string, d *keys.Role) (string, error) { return d.ID, nil })},
	{layout.KindIdentity, transferPage, idIn(func(_ string, d *keys.Identity) (string, error) {
		return d.ID, cmp.Or(keys.KeyLimits.Check(d.Limits), keys.CheckMeta(d.Meta))
	})},
	{layout.KindNamespace, 4 /* each can have MaxOverrides */, idIn(func(_ string, d *keys.Namespace) (string, error) { return d.ID, checkOverrides(d) })},
	{layout.KindGroup, transferPage, idIn(func(_ string, d *setupkeys.Group) (string, error) { return d.ID, nil })},
	{layout.KindMigration, transferPage, idIn(func(_ string, d *keys.Migration) (string, error) { return d.ID, nil })},
}

// definitionPlace returns the place of a kind in definitionKinds; -1 for another one.
func definitionPlace(k layout.Kind) int {
	return slices.IndexFunc(definitionKinds, func(d definitionKind) bool { return d.kind == k })
}

func idIn[T any](id func(ws string, d *T) (string, error)) func(ws, stored string) (string, error) {
	return func(ws, stored string) (string, error) {
		if stored == "" {
			return "", keys.ErrCorrupt
		}
		d, err := layout.DecodeDefinition[T](stored)
		if err != nil {
			return "", err
		}
		return id(ws, d)
	}
}
