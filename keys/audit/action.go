package audit

import (
	"context"
	"errors"
	"sync"

	"tollgate/keys"
	"tollgate/keys/redisdb"
)

// Action is what a caller asked for, while a store is at it.
type Action struct {
	log *Log // nil where nothing is kept
	ws  string

	mu     sync.Mutex     // an import has several goroutines
	entry  Entry          // without an ID before the first Intend stored it
	steps  int            // how often Intend stored it
	places map[string]int // in entry.Resources, by type and id
	asked  map[string]int // the same by type, of those that were asked for by a name or without one
}

// actionKey is the key of a context under which it has a *Action; nil where nothing is kept.
type actionKey struct{}

// errForgotten is a fault of the program: a change that no method of a store began.
var errForgotten = errors.New("audit: a change was about to be made that no action was begun for")

// Begin says that a caller asks for something, and about which things as far as that is
// known. What the caller calls them may be a secret that was put in the wrong place: until
// Intend says the same, the entry has it as an error repeats it. end is called with the error of what asks, once it is over. Where an action of the
// same workspace is under way in the context, what is begun is part of it.
func (l *Log) Begin(ctx context.Context, caller *keys.Caller, name Name, about ...Resource) (within context.Context, end func(*error)) {
	if under, ok := ctx.Value(actionKey{}).(*Action); ok && (under == nil || under.ws == caller.WorkspaceID) {
		return ctx, func(*error) {}
	}
	a := &Action{ws: caller.WorkspaceID}
	if l != nil && l.options.On {
		a.log, a.entry, a.places, a.asked = l, entryOf(ctx, caller, name), map[string]int{}, map[string]int{}
		for _, r := range about {
			i := a.place(r.Type, r.ID, r.Name)
			if i < 0 {
				break
			}
			a.entry.Resources[i] = r.redacted()
			if r.ID == "" || r.Name != "" {
				a.asked[r.Type] = i
			}
		}
	}
	return context.WithValue(ctx, actionKey{}, a), func(err *error) { a.end(*err) }
}

// Exempt returns a context in which changes have no entries: they are no caller's, such as
// what a sweep removes, or they are no changes, such as a redemption.
func Exempt(ctx context.Context) context.Context {
	return context.WithValue(ctx, actionKey{}, (*Action)(nil))
}

// Intend notes in the context's action what is about to be changed, and returns when the
// entry is stored: then the change may be made. full says that it may be while Redis is full.
// changes returns what is changed, which is not asked for where nothing is kept; where it is
// nothing, nothing is noted.
func Intend(ctx context.Context, full bool, changes func() []Changed) error {
	a, begun := ctx.Value(actionKey{}).(*Action)
	if begun && (a == nil || a.log == nil) {
		return nil
	}
	all := changes()
	switch {
	case len(all) == 0:
		return nil
	case !begun:
		return errForgotten
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.noteAll(all) && a.entry.ID != "" {
		return nil
	}
	a.steps++
	return a.log.putPending(ctx, a, full)
}

// Correct notes what was changed where that is known better than before it was: it is stored
// with the result.
func Correct(ctx context.Context, changes func() []Changed) {
	if a, _ := ctx.Value(actionKey{}).(*Action); a != nil && a.log != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.noteAll(changes())
	}
}

// Count notes in the context's action how many things of a sort a change of many was about.
func Count(ctx context.Context, what string, n int64) {
	if a, _ := ctx.Value(actionKey{}).(*Action); a != nil && a.log != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.entry.Counts == nil {
			a.entry.Counts = map[string]int64{}
		}
		a.entry.Counts[what] += n
	}
}

// noteAll puts changes into the entry, and reports whether it is another one by them.
func (a *Action) noteAll(all []Changed) (anew bool) {
	for _, c := range all {
		before := len(a.entry.Resources)
		i := a.place(c.Type, c.ID, c.Name)
		if i < 0 {
			continue
		}
		r, was := &a.entry.Resources[i], a.entry.Resources[i]
		r.ID = short(c.ID) // the store's own, and no more what the caller said
		if c.Name != "" {
			r.Name = short(c.Name)
		}
		r.Before, r.After = difference(c.Before, c.After)
		anew = anew || i == before || string(was.Before) != string(r.Before) || string(was.After) != string(r.After)
	}
	return anew
}

// place returns where a thing is among the resources; -1 where there are too many.
func (a *Action) place(kind, id, name string) int {
	key := kind + " " + id
	if i, ok := a.places[key]; ok {
		return i
	}
	if i, ok := a.asked[kind]; ok { // its id is known now
		delete(a.asked, kind)
		a.places[key] = i
		a.entry.Resources[i].ID, a.entry.Resources[i].Name = short(id), short(name)
		return i
	}
	n := len(a.entry.Resources)
	if n == MaxResources {
		a.entry.Cut = true
		return -1
	}
	a.places[key] = n
	a.entry.Resources = append(a.entry.Resources, Resource{Type: kind, ID: short(id), Name: short(name)})
	return n
}

// end says how it ended. What changed nothing and was not refused leaves no entry, and neither
// does what was never begun because the store did not answer.
func (a *Action) end(err error) {
	if a.log == nil || a.entry.ID == "" && (err == nil || unavailable(err)) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.entry.State = Done
	} else {
		a.entry.State, a.entry.Refusal = Refused, refusalOf(err)
	}
	if a.steps > 1 && err != nil || unavailable(err) && !redisdb.NotRun(err) {
		a.entry.State = Unknown
	}
	a.log.finish(a)
}

func unavailable(err error) bool { return err != nil && keys.AsError(err).Kind == keys.KindUnavailable }

// Refuse notes that a caller was refused before any store was asked.
func (l *Log) Refuse(ctx context.Context, caller *keys.Caller, name Name, err error) {
	_, end := l.Begin(ctx, caller, name)
	end(&err)
}
