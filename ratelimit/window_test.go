package ratelimit

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestAStory follows a limit of 10 a minute.
func TestAStory(t *testing.T) {
	const limit, minute = 10, 60_000
	var w Window
	for _, c := range []struct {
		story     string
		now, cost int64 // now counts from the beginning of the story
		allowed   bool
		remaining int64
	}{
		{"the first use", 0, 1, true, 9},
		{"a look takes nothing", 1, 0, true, 9},
		{"a dear one", 10_000, 7, true, 2},
		{"one too dear takes nothing", 10_001, 3, false, 2},
		{"one that just fits", 10_002, 2, true, 0},
		{"full", 59_999, 1, false, 0},
		{"a look at a full one is no use", 59_999, 0, true, 0},
		{"a minute later all of it still counts", 60_000, 1, false, 0},
		{"a tenth of a minute on, a tenth is free", 66_000, 1, true, 0},
		{"and no more than that", 66_000, 1, false, 0},
		{"half of it on, 10/2 + 1 is used", 90_000, 4, true, 0},
		{"nobody for a minute: only the 5 count, and less and less", 120_000, 5, true, 0},
		{"a very long time", 1_000_000_000, 10, true, 0},
		{"the clock steps back half an hour: the counts come along", 998_200_000, 1, false, 0},
		{"until it is back where it was, and two windows more", 1_000_000_000 + 2*minute, 10, true, 0},
	} {
		d := Check(w, limit, minute, c.cost, c.now)
		if d.Allowed != c.allowed || d.Remaining != c.remaining {
			t.Errorf("%s: %+v; want %v, %d left", c.story, d, c.allowed, c.remaining)
		}
		if end := (c.now/minute + 1) * minute; d.Reset != end {
			t.Errorf("%s: reset %d, want %d", c.story, d.Reset, end)
		}
		if d.Allowed {
			w = d.Window
		}
	}
}

func TestEdges(t *testing.T) {
	const now = 5_500
	for _, c := range []struct {
		story                 string
		w                     Window
		limit, duration, cost int64
		want                  Decision
	}{
		{"limit 0 refuses", Window{}, 0, 1000, 1, Decision{false, 0, 6000, Window{5, 0, 0}}},
		{"limit 0 refuses a look too", Window{}, 0, 1000, 0, Decision{false, 0, 6000, Window{5, 0, 0}}},
		{"a cost above the limit", Window{}, 5, 1000, 6, Decision{false, 5, 6000, Window{5, 0, 0}}},
		{"the whole of the largest limit", Window{}, MaxLimit, 1000, MaxLimit, Decision{true, 0, 6000, Window{5, MaxLimit, 0}}},
		{"half of the largest previous", Window{4, MaxLimit, 0}, MaxLimit, 1000, 0, Decision{true, 1 << 52, 6000, Window{5, 0, MaxLimit}}},
		{"the limit was lowered below the use", Window{5, 8, 0}, 5, 1000, 0, Decision{false, 0, 6000, Window{5, 8, 0}}},
		{"previous is rounded down", Window{4, 3, 0}, 2, 1000, 1, Decision{true, 0, 6000, Window{5, 1, 3}}},
		{"two windows later it is forgotten", Window{3, 9, 9}, 2, 1000, 2, Decision{true, 0, 6000, Window{5, 2, 0}}},
		{"a window of the future counts as the present one", Window{9, 2, 2}, 3, 1000, 1, Decision{false, 0, 6000, Window{5, 2, 2}}},
		{"the longest window", Window{0, 1, 0}, 2, MaxDuration, 1, Decision{true, 0, MaxDuration, Window{0, 2, 0}}},
	} {
		if got := Check(c.w, c.limit, c.duration, c.cost, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.story, got, c.want)
		}
	}
}

// use is one that was let through.
type use struct{ at, cost int64 }

// used is the law, from the list of all uses and in big numbers: those of the
// present window, and the part of those of the one before, rounded down.
func used(uses []use, duration, now int64) *big.Int {
	current, previous := new(big.Int), new(big.Int)
	for _, u := range uses {
		switch now/duration - u.at/duration {
		case 0:
			current.Add(current, big.NewInt(u.cost))
		case 1:
			previous.Add(previous, big.NewInt(u.cost))
		}
	}
	previous.Mul(previous, big.NewInt(duration-now%duration))
	return current.Add(current, previous.Div(previous, big.NewInt(duration)))
}

// TestLaw drives a window with random uses and compares every decision with
// the law; no aligned window admits more than the limit, no stretch as long as
// a window more than twice that.
func TestLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, MaxLimit)).Draw(t, "limit")
		duration := rapid.OneOf(rapid.Int64Range(MinDuration, 2000), rapid.Int64Range(MinDuration, MaxDuration)).Draw(t, "duration")
		now := rapid.Int64Range(0, 1<<47).Draw(t, "now")
		costs := rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, MaxLimit), rapid.Int64Range(0, max(1, limit/3)))
		var w Window
		var uses []use
		for range rapid.IntRange(1, 60).Draw(t, "uses") {
			now += rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, duration/4), rapid.Int64Range(0, 3*duration)).Draw(t, "pause")
			cost := costs.Draw(t, "cost")
			d := Check(w, limit, duration, cost, now)
			total := used(uses, duration, now)
			fits := limit > 0 && total.Add(total, big.NewInt(cost)).Cmp(big.NewInt(limit)) <= 0
			if d.Allowed != fits {
				t.Fatalf("%+v with %v used, cost included", d, total)
			}
			if !d.Allowed || cost == 0 {
				if d.Window != w.At(now, duration) {
					t.Fatalf("counted without being used: %+v", d)
				}
				continue
			}
			w, uses = d.Window, append(uses, use{now, cost})
			checkBounds(t, uses, limit, duration)
		}
	})
}

// checkBounds looks back from the last use.
func checkBounds(t *rapid.T, uses []use, limit, duration int64) {
	last := uses[len(uses)-1]
	aligned, stretch := int64(0), new(big.Int)
	for _, u := range uses {
		if u.at/duration == last.at/duration {
			aligned += u.cost
		}
		if u.at > last.at-duration {
			stretch.Add(stretch, big.NewInt(u.cost))
		}
	}
	if aligned > limit || stretch.Cmp(new(big.Int).Mul(big.NewInt(limit), big.NewInt(2))) > 0 {
		t.Fatalf("limit %d: %d in the window, %v in the last duration", limit, aligned, stretch)
	}
}

// TestSteppingBackFreesNothing: a limit that was used up stays so, for two
// windows if the refusal's window is kept, otherwise until the clock is back.
func TestSteppingBackFreesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, 1000).Draw(t, "limit")
		duration := rapid.Int64Range(MinDuration, 10_000).Draw(t, "duration")
		at := rapid.Int64Range(1<<20, 1<<40).Draw(t, "at")
		w := Check(Window{}, limit, duration, limit, at).Window
		back := at - rapid.Int64Range(0, 1<<20).Draw(t, "back")
		d := Check(w, limit, duration, 1, back)
		if d.Allowed || d.Window.Current != limit || d.Window.Index != back/duration {
			t.Fatalf("%+v", d)
		}
		if later := back + 2*duration; later/duration <= w.Index && Check(w, limit, duration, 1, later).Allowed {
			t.Fatal("free before the clock was back")
		}
		if d = Check(d.Window, limit, duration, limit, back+2*duration); !d.Allowed {
			t.Fatalf("two windows later: %+v", d)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	w := Window{Index: 29_000_000, Current: 3, Previous: 70}
	for b.Loop() {
		w = Check(w, 100, 60_000, 1, 29_000_000*60_000+30_000).Window
	}
}

func ExampleCheck() {
	var w Window
	for now := int64(0); now < 3000; now += 500 {
		d := Check(w, 2, 1000, 1, now)
		fmt.Println(now, d.Allowed, d.Remaining, d.Reset)
		w = d.Window
	}
	// Output:
	// 0 true 1 1000
	// 500 true 0 1000
	// 1000 false 0 2000
	// 1500 true 0 2000
	// 2000 true 0 3000
	// 2500 true 0 3000
}
