package verify

import (
	"testing"

	"tollgate/keys/redisdb"
)

// Whatever Redis, or whoever is in its place, answers to a batch: nothing panics, and
// a call that was not answered stays unavailable. A call is never told more than the
// text says.
func FuzzReply(f *testing.F) {
	now := "\x00\x01\x9a\x00\x00\x00\x00"
	seven := "\x00\x00\x00\x00\x00\x00\x07"
	for _, seed := range []string{
		"", now, now + "A", now + "AA", now + "S", now + "R" + seven + "1234567", now + "R\xff\xff\xff\xff\xff\xff\xff",
		now + "G\x01prefix_8", now + "G\x00prefix_8", now + "G\x09prefix_8", now + "V" + seven + seven + "\x00", now + "C" + seven + "A",
		now + "L" + seven + seven + "\x01" + "U" + seven, now + "?", now + "E", now + "E" + seven + "C" + seven,
	} {
		f.Add(seed, byte(1), byte(1), true)
		f.Add(seed, byte(0), byte(0), false)
	}
	f.Fuzz(func(t *testing.T, text string, windows, guards byte, limited bool) {
		b := &batch{}
		for range 2 {
			c := &call{hasCredits: limited, err: redisdb.Unavailable(errReply)}
			c.windows = make([]window, windows%50)
			c.guards = make([]guard, guards%8)
			b.calls = append(b.calls, c)
		}
		whole := b.readReplies(text, new(storeClock))
		answered := 0
		for _, c := range b.calls {
			if c.err == nil {
				answered++
			}
			if c.err == nil && c.reply.status == replyGuard && (c.reply.guard < 0 || c.reply.guard >= len(c.guards)) {
				t.Errorf("guard %d of %d", c.reply.guard, len(c.guards))
			}
			if len(c.reply.stored) > len(text) {
				t.Error("a record that is longer than the reply")
			}
		}
		if whole != (answered == len(b.calls)) {
			t.Errorf("whole %t, %d answered", whole, answered)
		}
	})
}
