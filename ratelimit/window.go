package ratelimit

import (
	_ "embed"
	"math/bits"
)

// Lua defines window_look, the twin of Window.At and of the arithmetic of Check, as a local
// function. It is put in front of a script that needs it, or in the block that does.
//
//go:embed window.lua
var Lua string

// Window is how much was used lately. The zero Window is one never used.
type Window struct {
	Index    int64 // the number of the present fixed window, counted from the epoch
	Current  int64 // used in it, 0 to MaxLimit
	Previous int64 // used in the one before, 0 to MaxLimit
}

// Decision is the answer to one use.
type Decision struct {
	Allowed   bool
	Remaining int64  // what could still be used now, after this decision; never negative
	Reset     int64  // the end of the present fixed window, unix ms
	Window    Window // to be kept if the use was allowed; keeping it after a refusal spends nothing
}

// At is the window as of now: the counts move up as windows pass.
func (w Window) At(now, duration int64) Window {
	index := now / duration
	switch {
	case w.Index >= index: // the present one, or a clock that stepped back: see the package comment
		return Window{index, w.Current, w.Previous}
	case w.Index == index-1:
		return Window{index, 0, w.Current}
	}
	return Window{Index: index}
}

// Check decides whether a use of the given cost (0 to MaxLimit) may pass now.
func Check(w Window, limit, duration, cost, now int64) Decision {
	w = w.At(now, duration)
	room := w.room(limit, duration, now)
	allowed := limit > 0 && cost <= room
	if allowed {
		w.Current += cost
		room -= cost
	}
	return Decision{allowed, max(0, room), (w.Index + 1) * duration, w}
}

// room is what may still be used; negative where the limit was lowered. The
// window is that of now.
func (w Window) room(limit, duration, now int64) int64 {
	rest := duration - now%duration
	hi, lo := bits.Mul64(uint64(w.Previous), uint64(rest))
	weighted, _ := bits.Div64(hi, lo, uint64(duration)) // at most Previous, since rest <= duration
	return limit - w.Current - int64(weighted)
}
