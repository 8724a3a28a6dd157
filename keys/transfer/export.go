package transfer

import (
	"context"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/setupkeys"

	"github.com/redis/go-redis/v9"
)

// ExportRecord is one record of an exported workspace, a line of JSON in the file. It is the
// head, a definition (Kind, ID), a unique name of one (Kind, Name, ID), a key (Key),
// who redeemed a setup key (Redeemed), the usage of a day (Usage), an entry of the audit log
// (Audit), a limit's counter (Counter), a soft-deleted key (Tombstone), a mark, or the end. Nothing in it is a
// secret: of a key there is its digest, and its sealed plaintext if it was
// recoverable.
type ExportRecord struct {
	Version   int    `json:"tollgate,omitempty"` // of the format; in the head
	Workspace string `json:"workspace,omitempty"`
	Time      int64  `json:"time,omitempty"` // unix ms

	Kind      string  `json:"noun,omitempty"`
	ID        string  `json:"id,omitempty"`
	Name      string  `json:"name,omitempty"`
	Alike     bool    `json:"alike,omitempty"`    // of a name: another one there differs from it by case alone
	Key       string  `json:"key,omitempty"`      // a key's id
	Redeemed  string  `json:"redeemed,omitempty"` // a setup key's id
	Usage     string  `json:"usage,omitempty"`    // an API's id
	Audit     string  `json:"audit,omitempty"`    // the id of an entry of the audit log
	Counter   string  `json:"counter,omitempty"`  // the name of a limit's counter
	Tombstone string  `json:"buried,omitempty"`   // a soft-deleted key's id
	Stored    []byte  `json:"stored,omitempty"`   // a record as Redis has it, or CBOR
	Used      []byte  `json:"used,omitempty"`     // when a key was last used, by its first secret
	Uses      []int64 `json:"uses,omitempty"`     // when it was by each later one, unix ms; 0 for never
	TTL       int64   `json:"ttl,omitempty"`      // of a counter or of refusals, ms

	Scan bool `json:"scan,omitempty"` // behind this mark are counters and soft-deleted keys
	End  bool `json:"end,omitempty"`
}

// TransferVersion is the version of the format that Export writes. Import reads it,
// and version 1, which had of counters those of identities alone, before their
// identities, and nothing of setup keys' peers, of usage and of soft-deleted keys.
const Version = 2

// transferPage is how many records are read together.
const transferPage = 500

// exporter goes through a workspace in an order that stays the same, so that it can
// go on behind any line. What is found by scanning Redis has no order, so it comes
// last, and all over again.
type exporter struct {
	store *Transfer
	ws    string
	since int64 // unix ms of the head: what was made later is left out with what refers to it
	emit  func([]ExportRecord) error

	defined map[string]int64 // when identities and namespaces were made, of some
}

// ExportCheckpoint is an export that was cut off: when it had begun, which its head says, and
// the last line that was kept of it.
type ExportCheckpoint struct {
	Time int64
	Last ExportRecord
}

// Export returns all that a workspace has, page by page; or what is missing of an
// export that has begun. Of that one the Scan mark, if it came that far, and what is
// behind it are not to be kept.
//
// Of what names.go lists, these are left out: indexes, lists and copies, which an
// import makes anew; revisions, which it raises; the lists of what is to be swept,
// the keys of deleted APIs with them; and what hangs on keys that are gone for good.
//
// It is no snapshot: what changes meanwhile is given as it is when its turn comes.
// Keys that are made meanwhile are left out.
func (s *Transfer) Export(ctx context.Context, ws string, begun *ExportCheckpoint, emit func([]ExportRecord) error) error {
	e := &exporter{store: s, ws: ws, emit: emit, defined: map[string]int64{}}
	var after *ExportRecord
	if begun == nil {
		now, err := s.Now(ctx)
		if err != nil {
			return err
		}
		e.since = now
		if err := emit([]ExportRecord{{Version: Version, Workspace: ws, Time: now}}); err != nil {
			return err
		}
	} else if e.since = begun.Time; begun.Last.Version == 0 {
		after = &begun.Last
	}
	from := 0
	if after != nil {
		at, err := kindOf(after)
		if err != nil {
			return err
		}
		from = at
	}
	for _, kind := range recordKinds[from:] {
		if kind.export == nil {
			continue
		}
		if err := kind.export(e, ctx, after); err != nil {
			return err
		}
		after = nil
	}
	return emit([]ExportRecord{{End: true}})
}

func (e *exporter) allDefinitions(ctx context.Context, after *ExportRecord) error {
	from := 0
	if after != nil {
		from = max(0, definitionPlace(layout.Kind(after.Kind)))
	}
	for _, k := range definitionKinds[from:] {
		if err := e.definitions(ctx, k, after); err != nil {
			return err
		}
		after = nil
	}
	return nil
}

// definitions returns those of a kind, then their unique names. The names have no
// order to go on in: they are given from the first again.
func (e *exporter) definitions(ctx context.Context, d definitionKind, after *ExportRecord) error {
	k := d.kind
	if after != nil && after.Name != "" {
		return e.names(ctx, k)
	}
	at := ""
	if after != nil {
		at = after.ID
	}
	if k == layout.KindAPI && at == "" {
		if err := e.page(ctx, k, []string{setupkeys.APIID(e.ws)}); err != nil {
			return err
		}
	}
	if keys.IsManagedAPI(e.ws, at) {
		at = "" // it is in no list
	}
	for {
		ids, _, err := e.store.IDsOf(ctx, e.ws, k, (catalog.ListOptions{After: at}).Start(), d.page)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return e.names(ctx, k)
		}
		if err := e.page(ctx, k, ids); err != nil {
			return err
		}
		at = ids[len(ids)-1]
	}
}

func (e *exporter) page(ctx context.Context, k layout.Kind, ids []string) error {
	texts, err := e.store.DefinitionTexts(ctx, e.ws, k, ids)
	if err != nil {
		return err
	}
	var lines []ExportRecord
	for i, stored := range texts {
		if stored != "" {
			lines = append(lines, ExportRecord{Kind: string(k), ID: ids[i], Stored: []byte(stored)})
		}
	}
	return e.emitAll(lines)
}

func (e *exporter) emitAll(lines []ExportRecord) error {
	if len(lines) == 0 {
		return nil
	}
	return e.emit(lines)
}

func (e *exporter) names(ctx context.Context, k layout.Kind) error {
	for cursor := uint64(0); ; {
		var part *redis.ScanCmd
		if err := e.store.Pipelined(ctx, func(p redis.Pipeliner) {
			part = p.HScan(ctx, layout.UniqueName(e.ws, k), cursor, "", transferPage)
		}); err != nil {
			return err
		}
		pairs, next := part.Val()
		var lines []ExportRecord
		for i := 0; i+1 < len(pairs); i += 2 {
			lines = append(lines, ExportRecord{Kind: string(k), Name: pairs[i], ID: pairs[i+1]})
		}
		if err := e.markAlike(ctx, k, lines); err != nil {
			return err
		}
		if err := e.emitAll(lines); err != nil || next == 0 {
			return err
		}
		cursor = next
	}
}

// markAlike marks the names of roles that releases before told apart by case.
func (e *exporter) markAlike(ctx context.Context, k layout.Kind, lines []ExportRecord) error {
	if k != catalog.Roles.Kind || len(lines) == 0 {
		return nil
	}
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = l.Name
	}
	several, err := e.store.Alike(ctx, e.ws, k, names)
	for i := range several {
		lines[i].Alike = several[i]
	}
	return err
}

// eachAPI returns the setup API and then the APIs of the workspace by their ids, from
// one on; "" is from the first on.
func (e *exporter) eachAPI(ctx context.Context, from string, use func(api string) error) error {
	setup := setupkeys.APIID(e.ws)
	if from == "" || from == setup {
		if err := use(setup); err != nil {
			return err
		}
		from = ""
	}
	for ask := (catalog.ListOptions{From: from}); ; {
		apis, _, err := e.store.IDsOf(ctx, e.ws, layout.KindAPI, ask.Start(), transferPage)
		if err != nil || len(apis) == 0 {
			return err
		}
		for _, api := range apis {
			if err := use(api); err != nil {
				return err
			}
		}
		ask = catalog.ListOptions{After: apis[len(apis)-1]}
	}
}
