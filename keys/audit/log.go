package audit

import (
	"context"
	_ "embed"
	"sync"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

// Options of a Log. The zero value keeps nothing.
type Options struct {
	On bool
	// Retention is for how long entries are kept; with 0 an append trims nothing by age.
	Retention time.Duration
	// Entries is how many changes of a workspace are kept, and a tenth of it is how many
	// refusals; with 0 an append trims nothing by number.
	Entries int
	// Wait has the result of a change written before its method returns: for a program that
	// ends then. Otherwise that is done behind the answer.
	Wait bool
	// Told is told of each entry once its result is stored, one after the other. It may be nil.
	Told func(workspaceID string, e Entry)
}

// Log keeps the entries of workspaces in Redis. It is safe for concurrent use. A nil Log
// keeps nothing.
type Log struct {
	db      *redisdb.DB
	options Options

	mu      sync.Mutex
	waiting []result      // in the order of their ends
	idle    chan struct{} // closed when none is waiting and none is being written; nil then
	lost    int64
}

// New makes a Log.
func New(db *redisdb.DB, o Options) *Log { return &Log{db: db, options: o} }

//go:embed write.lua
var writeLua string

var writeScript = redisdb.NewScript(writeLua)

// idLetters is how many letters make ids of one microsecond differ.
const idLetters = 6

// write returns the call that stores an entry of a workspace: in the place of the one with
// its id, if it has one. full says that it may be stored while Redis is full.
func (l *Log) write(ws string, e Entry, full bool) redisdb.Invocation {
	list, most, random := layout.AuditName(ws), l.options.Entries, keys.NewID("")
	if e.State == Refused {
		list, most = layout.AuditRefusalsName(ws), (most+9)/10
	}
	return redisdb.Invocation{
		Names: []string{list, layout.AuditName(ws)},
		Args:  []any{e.ID, random[len(random)-idLetters:], e.encode(), most, l.options.Retention.Milliseconds(), redisdb.Flag(full)},
	}
}

// identify sets the id and the time of an entry that was stored.
func (e *Entry) identify(reply []any) (err error) {
	e.ID = redisdb.Text(reply[0])
	e.Time, err = timeOf(e.ID)
	return err
}

// putPending stores the entry of an action that is about to change something.
func (l *Log) putPending(ctx context.Context, a *Action, full bool) error {
	one := l.write(a.ws, a.entry, full)
	reply, err := l.db.Run(ctx, writeScript, one.Names, one.Args...)
	if err != nil {
		return err
	}
	return a.entry.identify(reply)
}

// Put stores an entry of what a caller has done: for the few changes of which there can be
// none before, as the workspace that it would be in is not there yet.
func (l *Log) Put(ctx context.Context, caller *keys.Caller, name Name, changed ...Changed) error {
	if l == nil || !l.options.On {
		return nil
	}
	a := &Action{log: l, ws: caller.WorkspaceID, entry: entryOf(ctx, caller, name), places: map[string]int{}}
	a.noteAll(changed)
	a.entry.State = Done
	err := l.putPending(ctx, a, false)
	if err == nil {
		l.told(a.ws, a.entry)
	}
	return err
}

func (l *Log) told(ws string, e Entry) {
	if l.options.Told != nil {
		l.options.Told(ws, e)
	}
}
