package sweep

import (
	"testing"
	"time"
)

// Tombstones are looked at daily until a week has passed in which none was found that has
// more than it should, then weekly, and daily again once one is found.
func TestTombstonePasses(t *testing.T) {
	day := (24 * time.Hour).Milliseconds()
	p, now := passes{}, int64(1000)
	for n := 1; n <= 9; n++ {
		p = passesOf(p.after(now, false).String())
		every := day
		if n >= 7 {
			every = 7 * day
		}
		if p.due != now+every || p.clean != int64(n) {
			t.Errorf("after %d passes: %+v at %d", n, p, now)
		}
		now = p.due
	}
	if p = p.after(now, true); p != (passes{due: now + day}) {
		t.Errorf("after one that found something: %+v", p)
	}
	if passesOf("") != (passes{}) {
		t.Error("the first pass is not due at once")
	}
}
