// Package ratelimit counts uses in a sliding window, exactly, in integers.
//
// # The window
//
// Time is cut into fixed windows of the limit's duration, aligned to the
// epoch. A Window is the count of the present one and of the one before. What
// the last duration saw is taken to be the present count and that part of the
// previous one which still lies within it, rounded down:
//
//	used = current + floor(previous * (duration - elapsed) / duration)
//
// and a use that costs cost passes if used + cost <= limit. This is the
// sliding window counter as Cloudflare described it ("How we built rate
// limiting capable of scaling to millions of domains", 2017). What follows:
//
//   - No fixed window ever admits more than the limit.
//   - No stretch as long as the duration admits more than twice the limit, and
//     with a steady stream of callers it admits the limit.
//   - Who is refused is not counted, so trying again does not lengthen the wait.
//   - A cost of 0 looks and changes nothing. It passes unless more than the
//     limit is used, which happens where a limit was lowered.
//   - A limit of 0 lets nothing through, not even a look.
//
// A clock that steps back into an earlier window takes the counts with it, so
// that too little may pass and never too much. It is over two windows after the
// window was next kept. A limit that was full then refuses, and who keeps no
// window after a refusal refuses until the clock is back where it was, and two
// windows more.
//
// The clock is the caller's, in unix milliseconds up to the end of the year
// 9999; decisions use Redis's. Lua is the same arithmetic for a script, held
// to this one by a test.
//
// # Overrides
//
// An override gives some identifiers a limit of their own, and may name them
// with a pattern: Match and Pick.
package ratelimit

import "fmt"

// The bounds within which the arithmetic is exact, in Go and in Lua. Limit.Check is
// the work of whoever takes a limit from outside.
const (
	MinDuration = 1000      // ms
	MaxDuration = 1<<37 - 1 // ms, about four years and four months
	MaxLimit    = 1<<53 - 1 // also the largest cost and count
)

// Limit is one limit of a key or of an identity.
type Limit struct {
	ID        string `cbor:"1,keyasint"`
	Name      string `cbor:"2,keyasint"`           // what a verification asks for it by
	Limit     int64  `cbor:"3,keyasint"`           // 0 to MaxLimit in each Duration; 0 blocks
	Duration  int64  `cbor:"4,keyasint"`           // ms, MinDuration to MaxDuration
	AutoApply bool   `cbor:"5,keyasint,omitempty"` // checked although nobody asked for it
}

// A BoundsError is a number of a limit that is out of its bounds.
type BoundsError struct {
	Field    string // "limit" or "duration"
	unit     string
	from, to int64
}

// Error says what the number may be, without its field.
func (e *BoundsError) Error() string { return fmt.Sprintf("%s from %d to %d", e.unit, e.from, e.to) }

// Check returns a *BoundsError where the limit is not from least to MaxLimit, or else as
// CheckDuration does. Least is 1 where a limit that blocks has no meaning, otherwise 0. The
// name is not looked at.
func (l Limit) Check(least, longest int64) error {
	if l.Limit < least || l.Limit > MaxLimit {
		return &BoundsError{"limit", "a whole number", least, MaxLimit}
	}
	return CheckDuration(l.Duration, longest)
}

// CheckDuration returns a *BoundsError where a duration is not from MinDuration to longest,
// in ms.
func CheckDuration(ms, longest int64) error {
	if ms < MinDuration || ms > longest {
		return &BoundsError{"duration", "milliseconds,", MinDuration, longest}
	}
	return nil
}
