package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"

	"tollgate/keys/transfer"
)

// ErrEmpty is the error of writing a store in which there is nothing.
var ErrEmpty = errors.New("the store has no workspace: there is nothing to back up")

// Size is about how many records a backup of a store has.
func Size(ctx context.Context, store *transfer.Transfer) (total int64, err error) {
	all, err := store.Workspaces(ctx)
	for _, ws := range all {
		n, err := store.Size(ctx, ws.ID)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, err
}

// Write writes all workspaces of a store, and returns how many records they are. step, which is
// called with how many more were written, must be quick. Each key is whole. What changes
// meanwhile is written as it is when its turn comes.
func Write(ctx context.Context, store *transfer.Transfer, to io.Writer, step func(int)) (records int64, err error) {
	all, err := store.Workspaces(ctx)
	if err != nil {
		return 0, err
	}
	if len(all) == 0 {
		return 0, ErrEmpty
	}
	now, err := store.Now(ctx)
	if err != nil {
		return 0, err
	}
	first := head{Backup: Version, Tollgate: transfer.Version, Time: now}
	for _, ws := range all {
		first.Workspaces = append(first.Workspaces, Workspace{ID: ws.ID, Name: ws.Name})
	}
	w := newWriter(to)
	if err := w.line(first); err != nil {
		return 0, err
	}
	for _, ws := range all {
		err := store.Export(ctx, ws.ID, nil, func(lines []transfer.ExportRecord) error {
			records += int64(len(lines))
			step(len(lines))
			return w.lines(lines)
		})
		if err != nil {
			return 0, err
		}
	}
	return records, w.end(records)
}

// writer writes lines and sums them up.
type writer struct {
	out *bufio.Writer
	sum hash.Hash
}

func newWriter(to io.Writer) *writer { return &writer{bufio.NewWriterSize(to, 1<<16), sha256.New()} }

func (w *writer) line(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	w.sum.Write(text)
	_, err = w.out.Write(text)
	return err
}

func (w *writer) lines(all []transfer.ExportRecord) error {
	for i := range all {
		if err := w.line(&all[i]); err != nil {
			return err
		}
	}
	return nil
}

// end writes the last line.
func (w *writer) end(records int64) error {
	if err := w.line(tail{records, hex.EncodeToString(w.sum.Sum(nil))}); err != nil {
		return err
	}
	return w.out.Flush()
}
