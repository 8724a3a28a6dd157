package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"tollgate/cmd/tollgate/entries"
	"tollgate/keys/audit"
)

// auditCommand is `tollgate audit`.
type auditCommand struct {
	workspaceFlags
	Follow   bool   `short:"f" help:"Go on with what is changed from now on, until interrupted."`
	JSON     bool   `name:"json" help:"Print lines of JSON."`
	Limit    int    `default:"100" help:"How many entries at most, the newest (${default})."`
	Actor    string `placeholder:"ID" help:"Only what this root key asked for, by its id or name, or what root_key, operator or environment did."`
	Action   string `placeholder:"A" help:"Only this action, such as key.delete, or those of a resource, such as key."`
	Resource string `placeholder:"ID" help:"Only what is about the thing with this id."`
	Since    string `placeholder:"T" help:"Only what is not older: a time such as 2030-01-31T00:00:00Z, or a duration such as 24h."`
}

// Run prints entries, the oldest first.
func (f *auditCommand) Run(ctx context.Context) error {
	q, err := f.query(time.Now())
	if err != nil {
		return err
	}
	store, operator, err := f.reader(ctx)
	if err != nil {
		return err
	}
	show := &entries.Reader{Log: store.Audit, Now: store.Now, Access: operator, JSON: f.JSON, Out: os.Stdout}
	if !f.Follow {
		return asUsage(show.Show(ctx, q, f.Limit))
	}
	ctx, cancel := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer cancel()
	return asUsage(show.Follow(ctx, q, f.Limit))
}

// query is what the flags ask for.
func (f *auditCommand) query(now time.Time) (q audit.Query, err error) {
	if f.Limit < 1 {
		return q, usagef("--limit: at least 1")
	}
	q = audit.Query{Actor: f.Actor, Action: audit.Name(f.Action), Resource: f.Resource}
	if f.Since == "" {
		return q, nil
	}
	at, err := time.Parse(time.RFC3339, f.Since)
	if d, notDuration := time.ParseDuration(f.Since); notDuration == nil {
		at, err = now.Add(-d), nil
	}
	if err != nil || at.After(now) {
		return q, usagef("--since %q: want a time that has been such as 2026-01-31T00:00:00Z, or a duration such as 24h", f.Since)
	}
	q.Since = at.UnixMilli()
	return q, nil
}

// noteRest waits a moment for the results of what was answered.
func (g *gateway) noteRest() {
	if err := g.store.Audit.Close(); err != nil {
		g.log.Warn("some entries of the audit log stay pending", "cause", err)
	}
}
