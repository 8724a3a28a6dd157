package catalog

import (
	"context"
	"slices"
	"strconv"
	"time"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

// Change is a set of conditions and writes on definitions of one workspace, made
// together or not at all by define.lua.
type Change struct {
	ws     string
	id     string // of its preparation
	names  []string
	args   []any // of four: what, which name, a field, a value
	raises []layout.Bucket
	stored []storedDefinition

	Revokes bool // it only takes something away
}

// NewChange begins a change of a workspace's definitions.
func NewChange(ws string) *Change { return &Change{ws: ws} }

// add adds an operation of define.lua to the change.
func (c *Change) add(op, name, field, value string) {
	c.args = append(c.args, op, c.at(name), field, value)
}

// at is the number of a Redis key among those of the change, counted from one.
func (c *Change) at(name string) string {
	at := slices.Index(c.names, name)
	if at < 0 {
		at = len(c.names)
		c.names = append(c.names, name)
	}
	return strconv.Itoa(at + 1)
}

// Put writes a definition under its id.
func (c *Change) Put(k layout.Kind, id, stored string) {
	c.add("set", layout.DefinitionName(c.ws, k, id), "", stored)
	c.definition(k, id).after = stored
}

// Unchanged demands that a definition is still stored with this text.
func (c *Change) Unchanged(k layout.Kind, id, stored string) {
	c.add("is", layout.DefinitionName(c.ws, k, id), "", stored)
	d := c.definition(k, id)
	d.before, d.after = stored, stored
}

// storedDefinition is a definition that the change is about, as it is before and after: "" is
// that it is not there.
type storedDefinition struct {
	kind          layout.Kind
	id            string
	before, after string
}

// definition returns one of those that the change is about.
func (c *Change) definition(k layout.Kind, id string) *storedDefinition {
	for i := range c.stored {
		if d := &c.stored[i]; d.kind == k && d.id == id {
			return d
		}
	}
	c.stored = append(c.stored, storedDefinition{kind: k, id: id})
	return &c.stored[len(c.stored)-1]
}

// changed returns what the change changes, for the audit log.
func (c *Change) changed() (all []audit.Changed) {
	for _, d := range c.stored {
		all = append(all, audit.DefinitionChanged(d.kind, d.id, d.before, d.after)...)
	}
	return all
}

// Drop removes a definition, and its id from the list of its kind.
func (c *Change) Drop(k layout.Kind, id string) {
	c.Delete(layout.DefinitionName(c.ws, k, id))
	c.RemoveFrom(layout.ListName(c.ws, k), id)
	c.definition(k, id).after = ""
}

// Delete removes a Redis key of the workspace.
func (c *Change) Delete(name string) { c.add("del", name, "", "") }

// AddTo adds a member to a list of the workspace, a sorted set by this name.
func (c *Change) AddTo(list, member string) { c.add("zadd", list, member, "") }

// RemoveFrom removes a member from a list of the workspace, a sorted set by this name.
func (c *Change) RemoveFrom(list, member string) { c.add("zrem", list, member, "") }

// Empty reports whether there is nothing to be made.
func (c *Change) Empty() bool { return len(c.args) == 0 }

// List adds an id to the list of its kind.
func (c *Change) List(k layout.Kind, id string) { c.AddTo(layout.ListName(c.ws, k), id) }

// Claim takes a unique name for an id, and demands that nobody has it.
func (c *Change) Claim(k layout.Kind, name, id string) {
	c.add("absent", layout.UniqueName(c.ws, k), name, "")
	c.add("hset", layout.UniqueName(c.ws, k), name, id)
}

// ClaimName takes the name of a permission or a role for an id, and demands that nobody
// has it, however it is spelt.
func (c *Change) ClaimName(f RefKind, name, id string) {
	if f.spelt {
		index := layout.FoldedName(c.ws, f.Kind)
		if !slices.Contains(c.names, index) {
			c.add("current", index, c.at(layout.UniqueName(c.ws, f.Kind)), c.at(layout.RevisionName(c.ws, layout.SharedBucket)))
		}
		c.add("absent", index, Folded(name), "")
		c.add("hset", index, Folded(name), id)
	}
	c.Claim(f.Kind, f.unique(name), id)
}

// ApplyNames is apply for a change that takes names of a kind. It returns false where one
// of them is taken, or another condition does not hold.
func (s *Catalog) ApplyNames(ctx context.Context, k layout.Kind, c *Change) (made bool, err error) {
	err = Retry(func() (bool, error) {
		failed, there, err := s.Apply(ctx, c)
		if err != nil || failed == 0 {
			made = failed == 0
			return true, err
		}
		if c.args[4*(failed-1)] != "current" {
			return true, nil
		}
		return false, s.foldNames(ctx, c.ws, k, there)
	})
	return made, err
}

// Release frees a unique name, if an id has it.
func (c *Change) Release(k layout.Kind, name, id string) {
	c.add("hdel", layout.UniqueName(c.ws, k), name, id)
}

// Raise makes every gateway read a bucket's definitions again. What is new needs
// none: nobody can have decided by it.
func (c *Change) Raise(b layout.Bucket) {
	c.add("raise", layout.RevisionName(c.ws, b), "", "")
	c.raises = append(c.raises, b)
}

// Apply makes the change. failed is the number, counted from one, of the first
// operation whose condition does not hold, with what stood there; 0 when made.
func (s *Catalog) Apply(ctx context.Context, c *Change) (failed int, there string, err error) {
	if err := audit.Intend(ctx, c.storable() == redisdb.Flag(true), c.changed); err != nil {
		return 0, "", err
	}
	reply, err := s.define(ctx, c)
	if err != nil {
		return 0, "", err
	}
	if failed = int(redisdb.Number(reply[0])); failed != 0 {
		return failed, redisdb.Text(reply[1]), nil
	}
	for i, b := range c.raises {
		raised := layout.Revision(redisdb.Text(reply[1+i]))
		s.observe(c.ws, b, raised, time.Time{})
		if _, _, err := s.propagate(ctx, c.ws, []layout.Bucket{b}, raised); err != nil {
			return 0, "", err
		}
	}
	return 0, "", nil
}

// define runs define.lua; on a Cluster after what is raised was prepared.
func (s *Catalog) define(ctx context.Context, c *Change) (reply []any, err error) {
	if !s.Cluster() || len(c.raises) == 0 {
		return s.Run(ctx, defineScript, c.names, append([]any{"", c.storable()}, c.args...)...)
	}
	c = c.prepared()
	floor, settled := layout.Revision(""), false
	err = Retry(func() (bool, error) {
		var err error
		if floor, settled, err = s.prepare(ctx, c, floor); err != nil || !settled {
			return false, err
		}
		if reply, err = s.Run(ctx, defineScript, c.names, append([]any{string(floor), c.storable()}, c.args...)...); err != nil {
			return false, err
		}
		return redisdb.Number(reply[0]) >= 0, nil
	})
	return reply, err
}

// prepared is the change under the condition that its preparation is still waited for.
func (c *Change) prepared() *Change {
	one := &Change{ws: c.ws, id: keys.NewID("chg"), names: slices.Clone(c.names), args: slices.Clone(c.args), raises: c.raises, Revokes: c.Revokes}
	for _, b := range c.raises {
		one.add("prepared", layout.PreparationsName(c.ws, b), one.id, strconv.FormatInt(preparationTTL.Milliseconds(), 10))
	}
	return one
}

// storable is "1" where the change may be made while Redis is full.
func (c *Change) storable() string { return redisdb.Flag(c.Revokes || !c.grows()) }

// grows reports whether the change makes what is stored longer: by something that is
// new, or longer than what it replaces.
func (c *Change) grows() bool {
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
