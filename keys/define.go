package keys

import (
	"context"
	"slices"
	"strconv"
	"time"
)

// change is a set of conditions and writes on definitions of one workspace, made
// together or not at all by define.lua.
type change struct {
	ws     string
	id     string // of its preparation
	names  []string
	args   []any // of four: what, which name, a field, a value
	raises []bucket

	revokes bool // it only takes something away
}

func newChange(ws string) *change { return &change{ws: ws} }

func (c *change) add(op, name, field, value string) {
	c.args = append(c.args, op, c.at(name), field, value)
}

// at is the number of a Redis key among those of the change, counted from one.
func (c *change) at(name string) string {
	at := slices.Index(c.names, name)
	if at < 0 {
		at = len(c.names)
		c.names = append(c.names, name)
	}
	return strconv.Itoa(at + 1)
}

// put writes a definition under its id.
func (c *change) put(k definitionKind, id, stored string) {
	c.add("set", definitionName(c.ws, k, id), "", stored)
}

// unchanged demands that a definition is still stored with this text.
func (c *change) unchanged(k definitionKind, id, stored string) {
	c.add("is", definitionName(c.ws, k, id), "", stored)
}

// drop removes a definition, and its id from the list of its kind.
func (c *change) drop(k definitionKind, id string) {
	c.add("del", definitionName(c.ws, k, id), "", "")
	c.add("zrem", listName(c.ws, k), id, "")
}

// list adds an id to the list of its kind.
func (c *change) list(k definitionKind, id string) { c.add("zadd", listName(c.ws, k), id, "") }

// claim takes a unique name for an id, and demands that nobody has it.
func (c *change) claim(k definitionKind, name, id string) {
	c.add("absent", uniqueName(c.ws, k), name, "")
	c.add("hset", uniqueName(c.ws, k), name, id)
}

// claimName takes the name of a permission or a role for an id, and demands that nobody
// has it, however it is spelt.
func (c *change) claimName(f refKind, name, id string) {
	if f.spelt {
		index := foldedName(c.ws, f.kind)
		if !slices.Contains(c.names, index) {
			c.add("current", index, c.at(uniqueName(c.ws, f.kind)), c.at(revisionName(c.ws, sharedBucket)))
		}
		c.add("absent", index, folded(name), "")
		c.add("hset", index, folded(name), id)
	}
	c.claim(f.kind, f.unique(name), id)
}

// applyNames is apply for a change that takes names of a kind. It returns false where one
// of them is taken, or another condition does not hold.
func (s *Catalog) applyNames(ctx context.Context, k definitionKind, c *change) (bool, error) {
	for range tries {
		failed, there, err := s.apply(ctx, c)
		if err != nil || failed == 0 {
			return failed == 0, err
		}
		if c.args[4*(failed-1)] != "current" {
			return false, nil
		}
		if err := s.foldNames(ctx, c.ws, k, there); err != nil {
			return false, err
		}
	}
	return false, Unavailable(errBusy)
}

// release frees a unique name, if an id has it.
func (c *change) release(k definitionKind, name, id string) {
	c.add("hdel", uniqueName(c.ws, k), name, id)
}

// raise makes every gateway read a bucket's definitions again. What is new needs
// none: nobody can have decided by it.
func (c *change) raise(b bucket) {
	c.add("raise", revisionName(c.ws, b), "", "")
	c.raises = append(c.raises, b)
}

// apply makes the change. failed is the number, counted from one, of the first
// operation whose condition does not hold, with what stood there; 0 when made.
func (s *Catalog) apply(ctx context.Context, c *change) (failed int, there string, err error) {
	reply, err := s.define(ctx, c)
	if err != nil {
		return 0, "", err
	}
	if failed = int(number(reply[0])); failed != 0 {
		return failed, text(reply[1]), nil
	}
	for i, b := range c.raises {
		raised := Revision(text(reply[1+i]))
		s.observe(c.ws, b, raised, time.Time{})
		if _, _, err := s.propagate(ctx, c.ws, []bucket{b}, raised); err != nil {
			return 0, "", err
		}
	}
	return 0, "", nil
}

// define runs define.lua; on a Cluster after what is raised was prepared.
func (s *Catalog) define(ctx context.Context, c *change) ([]any, error) {
	if !s.cluster || len(c.raises) == 0 {
		return s.run(ctx, defineScript, c.names, append([]any{"", c.storable()}, c.args...)...)
	}
	c = c.prepared()
	floor, settled := Revision(""), false
	for range tries {
		var err error
		if floor, settled, err = s.prepare(ctx, c, floor); err != nil {
			return nil, err
		}
		if !settled {
			continue
		}
		reply, err := s.run(ctx, defineScript, c.names, append([]any{string(floor), c.storable()}, c.args...)...)
		if err != nil || number(reply[0]) >= 0 {
			return reply, err
		}
	}
	return nil, Unavailable(errBusy)
}

// prepared is the change under the condition that its preparation is still waited for.
func (c *change) prepared() *change {
	one := &change{ws: c.ws, id: NewID("chg"), names: slices.Clone(c.names), args: slices.Clone(c.args), raises: c.raises, revokes: c.revokes}
	for _, b := range c.raises {
		one.add("prepared", preparationsName(c.ws, b), one.id, strconv.FormatInt(preparationTTL.Milliseconds(), 10))
	}
	return one
}

// storable is "1" where the change may be made while Redis is full.
func (c *change) storable() string { return flag(c.revokes || !c.grows()) }

// grows reports whether the change makes what is stored longer: by something that is
// new, or longer than what it replaces.
func (c *change) grows() bool {
	was := map[any]int{}
	for i := 0; i < len(c.args); i += 4 {
		name, value := c.args[i+1], c.args[i+3].(string)
		switch c.args[i] {
		case "is":
			was[name] = len(value)
		case "set":
			if n, ok := was[name]; !ok || len(value) > n {
				return true
			}
		case "hset", "zadd":
			return true
		}
	}
	return false
}
