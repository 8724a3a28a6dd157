package keys

import (
	"context"

	"tollgate/ratelimit"

	"github.com/redis/go-redis/v9"
)

// Line is one record of an exported workspace, a line of JSON in the file: the
// head, a definition, a unique name of one, a key, a counter, or the end. Nothing in
// it is a secret: of a key there is its digest, and its sealed plaintext if it was
// recoverable.
type Line struct {
	Version   int    `json:"tollgate,omitempty"` // of the format; in the head
	Workspace string `json:"workspace,omitempty"`
	Time      int64  `json:"time,omitempty"` // unix ms

	Noun    string `json:"noun,omitempty"`
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Key     string `json:"key,omitempty"`     // a key's id
	Stored  []byte `json:"stored,omitempty"`  // as Redis has it
	Used    []byte `json:"used,omitempty"`    // when a key was last used
	Counter string `json:"counter,omitempty"` // the name of a limit's counter
	TTL     int64  `json:"ttl,omitempty"`     // ms

	End bool `json:"end,omitempty"`
}

// TransferVersion is the version of the format that Export writes and Import reads.
const TransferVersion = 1

// transferPage is how many records are read or written together.
const transferPage = 500

// nouns are the kinds of definitions that a workspace has.
var nouns = []noun{nounAPI, nounPermission, nounRole, nounIdentity, nounNamespace, nounGroup, nounMigration}

// exporter goes through a workspace in an order that stays the same, so that it can
// go on behind any line.
type exporter struct {
	store *Store
	ws    string
	emit  func([]Line) error
}

// Export gives all that a workspace has, page by page; behind a line that it gave
// before, if after is one. It is no snapshot: what changes meanwhile is given as it
// is when its turn comes.
func (s *Store) Export(ctx context.Context, ws string, after *Line, emit func([]Line) error) error {
	e := &exporter{s, ws, emit}
	if after == nil {
		now, err := s.Now(ctx)
		if err != nil {
			return err
		}
		if err := emit([]Line{{Version: TransferVersion, Workspace: ws, Time: now}}); err != nil {
			return err
		}
	}
	reached := after == nil || after.Key == ""
	for _, k := range nouns {
		if !reached || !e.begins(k, after) {
			continue
		}
		if err := e.definitions(ctx, k, after); err != nil {
			return err
		}
		after = nil
	}
	if err := e.allKeys(ctx, after); err != nil {
		return err
	}
	return emit([]Line{{End: true}})
}

// begins tells whether there is anything of a noun behind a line.
func (e *exporter) begins(k noun, after *Line) bool {
	if after == nil || after.Noun == "" && after.Counter == "" {
		return true
	}
	from := after.Noun
	if after.Counter != "" {
		from = string(nounIdentity)
	}
	for _, other := range nouns {
		if string(other) == from {
			return true
		}
		if other == k {
			return false
		}
	}
	return true
}

// definitions gives those of a noun, then their unique names. The names have no
// order to go on in: they are given from the first again.
func (e *exporter) definitions(ctx context.Context, k noun, after *Line) error {
	if after != nil && after.Noun == string(k) && after.Name != "" {
		return e.names(ctx, k)
	}
	at := ""
	if after != nil && after.Noun == string(k) {
		at = after.ID
	}
	if k == nounAPI && at == "" {
		if err := e.page(ctx, k, []string{setupAPIID(e.ws)}); err != nil {
			return err
		}
	}
	for {
		ids, _, err := e.store.idsOf(ctx, e.ws, k, (Ask{After: at}).start(), transferPage)
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

func (e *exporter) page(ctx context.Context, k noun, ids []string) error {
	texts, err := e.store.definitionTexts(ctx, e.ws, k, ids)
	if err != nil {
		return err
	}
	var lines []Line
	for i, stored := range texts {
		if stored != "" {
			lines = append(lines, Line{Noun: string(k), ID: ids[i], Stored: []byte(stored)})
		}
	}
	if k == nounIdentity {
		counters, err := e.counters(ctx, texts)
		if err != nil {
			return err
		}
		lines = append(counters, lines...)
	}
	return e.emitAll(lines)
}

func (e *exporter) emitAll(lines []Line) error {
	if len(lines) == 0 {
		return nil
	}
	return e.emit(lines)
}

func (e *exporter) names(ctx context.Context, k noun) error {
	for cursor := uint64(0); ; {
		var part *redis.ScanCmd
		if err := e.store.pipelined(ctx, func(p redis.Pipeliner) {
			part = p.HScan(ctx, uniqueName(e.ws, k), cursor, "", transferPage)
		}); err != nil {
			return err
		}
		pairs, next := part.Val()
		var lines []Line
		for i := 0; i+1 < len(pairs); i += 2 {
			lines = append(lines, Line{Noun: string(k), Name: pairs[i], ID: pairs[i+1]})
		}
		if err := e.emitAll(lines); err != nil || next == 0 {
			return err
		}
		cursor = next
	}
}

// counters gives those of the limits of identities, which their keys share.
func (e *exporter) counters(ctx context.Context, identities []string) ([]Line, error) {
	var lines []Line
	for _, stored := range identities {
		one, err := decodeDefinition[Identity](stored)
		if err != nil {
			return nil, err
		}
		for _, l := range one.limits() {
			lines = append(lines, Line{Counter: Counter("", one.ID, l.Name, l.Duration)})
		}
	}
	values, lives := make([]*redis.StringCmd, len(lines)), make([]*redis.DurationCmd, len(lines))
	if len(lines) == 0 {
		return nil, nil
	}
	err := e.store.pipelined(ctx, func(p redis.Pipeliner) {
		for i, l := range lines {
			values[i], lives[i] = p.Get(ctx, l.Counter), p.PTTL(ctx, l.Counter)
		}
	})
	var found []Line
	for i, l := range lines {
		if l.TTL = lives[i].Val().Milliseconds(); values[i].Val() != "" && l.TTL > 0 {
			l.Stored = []byte(values[i].Val())
			found = append(found, l)
		}
	}
	return found, err
}

// limits are those of an identity, nil's none.
func (i *Identity) limits() []ratelimit.Limit {
	if i == nil {
		return nil
	}
	return i.Limits
}
