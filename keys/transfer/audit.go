package transfer

import (
	"bytes"
	"context"

	"tollgate/keys/audit"
)

// allAudited emits the entries of the audit log that were there when the export began.
func (e *exporter) allAudited(ctx context.Context, after *ExportRecord) error {
	at := ""
	if after != nil {
		at = after.Audit
	}
	return e.store.Audit.Dump(ctx, e.ws, at, e.since, func(all []audit.Entry) error {
		lines := make([]ExportRecord, len(all))
		for i, entry := range all {
			lines[i] = ExportRecord{Audit: entry.ID, Stored: entry.Record()}
		}
		return e.emit(lines)
	})
}

func (l *checkedRecord) checkAudit(string) (err error) {
	l.entry, err = audit.EntryOf(l.Audit, l.Stored)
	return err
}

// importAudited stores entries of the audit log that are not there yet.
func (s *Transfer) importAudited(ctx context.Context, ws string, lines []checkedRecord, done *Imported) error {
	all := make([]audit.Entry, len(lines))
	for i, l := range lines {
		all[i] = l.entry
	}
	stored, err := s.Audit.Restore(ctx, ws, all)
	if err != nil {
		return err
	}
	done.Stored, done.Same = done.Stored+stored, done.Same+int64(len(all))-stored
	return nil
}

// auditedThere compares entries of the audit log. One that was pending may have its result there.
func (c *comparison) auditedThere(ctx context.Context, lines []checkedRecord) error {
	ids := make([]string, len(lines))
	for i := range lines {
		ids[i] = lines[i].Audit
	}
	there, err := c.store.Audit.Stored(ctx, c.ws, ids)
	if err != nil {
		return err
	}
	for i := range lines {
		l := &lines[i]
		switch e, ok := there[l.Audit]; {
		case !ok:
			c.differs(l, whyAbsent)
		case l.entry.State != audit.Pending && !bytes.Equal(e.Record(), l.Stored):
			c.differs(l, whyChanged)
		}
	}
	return nil
}
