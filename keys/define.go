package keys

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// change is a set of conditions and writes on definitions of one workspace, made
// together or not at all by define.lua.
type change struct {
	ws     string
	names  []string
	args   []any // of four: what, which name, a field, a value
	raises []bucket
}

func newChange(ws string) *change { return &change{ws: ws} }

func (c *change) add(op, name, field, value string) {
	at := 0
	for at < len(c.names) && c.names[at] != name {
		at++
	}
	if at == len(c.names) {
		c.names = append(c.names, name)
	}
	c.args = append(c.args, op, strconv.Itoa(at+1), field, value)
}

// put writes a definition under its id.
func (c *change) put(k noun, id, stored string) {
	c.add("set", definitionName(c.ws, k, id), "", stored)
}

// unchanged demands that a definition is still stored with this text.
func (c *change) unchanged(k noun, id, stored string) {
	c.add("is", definitionName(c.ws, k, id), "", stored)
}

// drop removes a definition, and its id from the list of its kind.
func (c *change) drop(k noun, id string) {
	c.add("del", definitionName(c.ws, k, id), "", "")
	c.add("zrem", listName(c.ws, k), id, "")
}

// list adds an id to the list of its kind.
func (c *change) list(k noun, id string) { c.add("zadd", listName(c.ws, k), id, "") }

// claim takes a unique name for an id, and demands that nobody has it.
func (c *change) claim(k noun, name, id string) {
	c.add("absent", uniqueName(c.ws, k), name, "")
	c.add("hset", uniqueName(c.ws, k), name, id)
}

// release gives a unique name back.
func (c *change) release(k noun, name string) { c.add("hdel", uniqueName(c.ws, k), name, "") }

// raise makes every gateway read a bucket's definitions again. What is new needs
// none: nobody can have decided by it.
func (c *change) raise(b bucket) {
	c.add("raise", revisionName(c.ws, b), "", "")
	c.raises = append(c.raises, b)
}

// apply makes the change. failed is the number, counted from one, of the first
// operation whose condition does not hold, with what stood there; 0 when made.
func (s *Store) apply(ctx context.Context, c *change) (failed int, there string, err error) {
	floor := Prefix("")
	if s.cluster && len(c.raises) > 0 {
		if floor, err = s.announce(ctx, c); err != nil {
			return 0, "", err
		}
	}
	reply, err := s.run(ctx, defineScript, c.names, append([]any{string(floor)}, c.args...)...)
	if err != nil {
		return 0, "", err
	}
	if failed = int(number(reply[0])); failed != 0 {
		return failed, text(reply[1]), nil
	}
	for i, b := range c.raises {
		raised := Prefix(text(reply[1+i]))
		s.revisions.Store(revisionName(c.ws, b), raised)
		if err := s.spread(ctx, c.ws, []bucket{b}, raised); err != nil {
			return 0, "", err
		}
	}
	return 0, "", nil
}

// announce raises the copies of a Cluster before the change is made: a gateway
// that sees them asks for the definitions again until the change is there. So a
// crash between the change and the copies leaves no gateway on the old ones.
func (s *Store) announce(ctx context.Context, c *change) (Prefix, error) {
	var highest Prefix
	for _, b := range c.raises {
		if err := s.fetch(ctx, c.ws, []need{{bucket: b}}, ""); err != nil {
			return "", err
		}
		highest = max(highest, s.revision(c.ws, b))
	}
	next := Prefix(string(layoutVersion)) + Prefix(AppendU56(nil, 1))
	if highest != "" {
		next = highest[:1] + Prefix(AppendU56(nil, u56(string(highest[1:]))+1))
	}
	return next, s.spread(ctx, c.ws, c.raises, next)
}

// spread raises the copies of a Cluster to at least a revision.
func (s *Store) spread(ctx context.Context, ws string, buckets []bucket, p Prefix) error {
	if !s.cluster {
		return nil
	}
	return s.pipelined(ctx, func(pipe redis.Pipeliner) {
		for i := range shards {
			names, args := make([]string, len(buckets)), make([]any, len(buckets))
			for j, b := range buckets {
				names[j], args[j] = revisionCopyName(shardName(byte(i)), ws, b), string(p)
			}
			pipe.Eval(ctx, copyScript.text, names, args...)
		}
	})
}
