package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/transfer"
)

// How many records are stored or compared together, and how many bytes of them.
const (
	batchRecords = 200
	batchBytes   = 4 << 20
)

// Restored is what became of a file.
type Restored struct {
	Stored  int64
	Same    int64 // was there already
	Expired int64 // usage whose retention has ended since
	// Left are the records that are not in the store as they are in the file, by line: not
	// stored, or otherwise there when they were compared. At most maxLeft are named.
	Left  []string
	Count int64 // of all of them
}

// maxLeft is how many records that differ are named one by one.
const maxLeft = 100

func (r *Restored) leave(lines []int, all []transfer.LeftOut) {
	r.Count += int64(len(all))
	for _, l := range all {
		if len(r.Left) < maxLeft {
			r.Left = append(r.Left, fmt.Sprintf("line %d: %s %s %s", lines[l.Index], l.Kind, keys.Redact(l.ID), l.Why))
		}
	}
}

// Fits returns an error where a workspace can't be restored: the store has another one of its
// name.
func (f *File) Fits(ctx context.Context, store *transfer.Transfer) error {
	for _, ws := range f.Workspaces {
		id, err := store.FindWorkspace(ctx, ws.Name)
		switch {
		case err == nil && id != ws.ID:
			return fmt.Errorf("the store has another workspace called %s: restore into a store in which no gateway has run yet", keys.Redact(ws.Name))
		case err != nil && keys.AsError(err).Kind != keys.KindNotFound:
			return err
		}
	}
	return nil
}

// Restore stores the records of the file, then compares each of them with what the store has.
// step is called with how many more were stored or compared: 2 × Records in all.
func (f *File) Restore(ctx context.Context, store *transfer.Transfer, step func(int)) (restored *Restored, err error) {
	within := map[string]context.Context{} // by workspace: each import is one entry of its audit log
	for _, ws := range f.Workspaces {
		if err := store.EnsureWorkspaceID(ctx, ws.Name, ws.ID); err != nil {
			return nil, err
		}
		in, end := store.Audit.Begin(ctx, keys.Operator(ws.ID), audit.ImportWorkspace)
		defer end(&err)
		within[ws.ID] = in
	}
	done, begun := &Restored{}, time.Now()
	err = f.batches(func(b *batch) error {
		in, ok := within[b.workspace]
		if !ok {
			in = ctx
		}
		imported, err := store.Import(in, b.workspace, b.records)
		done.Stored, done.Same, done.Expired = done.Stored+imported.Stored, done.Same+imported.Same, done.Expired+imported.Expired
		done.leave(b.lines, imported.LeftOut)
		step(len(b.records))
		return b.named(err)
	})
	if err != nil {
		return done, err
	}
	for _, ws := range f.Workspaces {
		if err := store.FinishImport(ctx, ws.ID); err != nil {
			return done, err
		}
	}
	if done.Count > 0 {
		return done, nil // what was left out differs for certain
	}
	return done, f.batches(func(b *batch) error {
		different, err := store.Compare(ctx, b.workspace, b.records, time.Since(begun))
		done.leave(b.lines, different)
		step(len(b.records))
		return b.named(err)
	})
}

// batch is records that are stored together: of one workspace and of one kind.
type batch struct {
	workspace string
	kind      string
	records   []transfer.ExportRecord
	lines     []int // of the file
	bytes     int
}

// named says of which line an error is.
func (b *batch) named(err error) error {
	var bad *transfer.BadRecord
	if errors.As(err, &bad) {
		return fmt.Errorf("line %d: %w", b.lines[bad.Index], bad)
	}
	return err
}

// batches calls a function with all records in their order.
func (f *File) batches(use func(*batch) error) error {
	b := &batch{}
	flush := func() error {
		full := b
		b = &batch{workspace: full.workspace, kind: full.kind}
		if len(full.records) == 0 {
			return nil
		}
		return use(full)
	}
	err := eachLine(f.in, func(number int, line []byte) error {
		if number == 1 || int64(number) > f.Records+1 {
			return nil // the head and the last line
		}
		var l transfer.ExportRecord
		if err := json.Unmarshal(line, &l); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if kind := l.Together(); kind != b.kind || len(b.records) == batchRecords || b.bytes > batchBytes {
			if err := flush(); err != nil {
				return err
			}
			b.kind = kind
		}
		if l.Workspace != "" {
			b.workspace = l.Workspace
		}
		b.records, b.lines, b.bytes = append(b.records, l), append(b.lines, number), b.bytes+len(line)
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}
