package guesses

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/keys"
)

// An address may send as many unknown root keys as the burst is, then one a second. Other
// addresses are not touched by that, and who has none is not counted.
func TestGuessesAreCountedPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := 0
		g := New(3, slog.New(slog.DiscardHandler))
		defer g.guessers.StopAllGoroutines()
		g.Refused = func() { refused++ }
		guess := func(address string, want bool) {
			t.Helper()
			source, _ := netip.ParseAddr(address)
			err := g.Guessed(source)
			if (err != nil) != want {
				t.Errorf("%q: %v", address, err)
			}
			if e := keys.AsError(err); e != nil && (e.Kind != keys.KindRateLimited || e.RetryAfter != time.Second) {
				t.Errorf("%q: %+v", address, e)
			}
		}
		for n := range 5 {
			guess("192.0.2.1", n >= 3)
			guess("", false)
		}
		guess("192.0.2.2", false)
		time.Sleep(time.Second)
		guess("192.0.2.1", false)
		guess("192.0.2.1", true)
		if refused != 3 {
			t.Errorf("%d refusals were counted of 3", refused)
		}
	})
}

// The log says when and from where, at once, and how many it were a minute later; however
// many addresses there are, it is a few lines.
func TestGuessesAreWarnedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		g := New(1, slog.New(slog.NewTextHandler(&text, nil)))
		defer g.guessers.StopAllGoroutines()
		flood := func(address string, n int) {
			for range n {
				_ = g.Guessed(netip.MustParseAddr(address))
			}
		}
		said := func(want string, lines int) {
			t.Helper()
			if got := text.String(); !strings.Contains(got, want) || strings.Count(got, "level=WARN") != lines {
				t.Errorf("want %d lines, one with %q, got\n%s", lines, want, got)
			}
			text.Reset()
		}
		flood("192.0.2.1", 100)
		said("address=192.0.2.1 refused=1 ", 1)
		time.Sleep(warnEvery)
		flood("192.0.2.1", 2)
		said("address=192.0.2.1 refused=99 ", 1)
		flood("2001:db8:1:2::", 2)
		said("address=2001:db8:1:2::/64 ", 1)
		time.Sleep(time.Minute)
		for n := range 200 {
			flood(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}).String(), 3)
		}
		said("address=10.0.0.0 ", warningsFirst)
	})
}
