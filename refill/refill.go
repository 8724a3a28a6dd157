// Package refill is the schedule by which a key's balance of uses comes back.
//
// A Schedule names an amount and when: every day at 00:00 UTC, or every month
// at 00:00 UTC on a day from 1 to 31, which in a shorter month is its last day.
// Such an instant is a boundary. Nothing runs at a boundary: the balance is
// kept with the boundary it waits for, and whoever reads or spends it settles
// it first.
//
//	balance, next = schedule.Settle(balance, next, now)
//
// Once the boundary has passed, the balance is raised to the amount, once,
// however many boundaries went by unseen, and waits for the first one after
// now. It is raised and never lowered: who has more keeps it.
//
// A boundary is at most a day after the instant at which it was computed, and a monthly
// one at most 31 days. One that lies further ahead was computed by a clock that was wrong
// then: it is computed anew, and raises nothing. Only the second boundary from now is kept,
// because a clock that was set back across one boundary explains it: the balance was
// raised at that one already, and must not be raised there twice.
//
// All instants are unix milliseconds, UTC, from 1970 to the end of the year
// 9999. The clock is the caller's; the decisions use Redis's.
//
// Lua is the same schedule for a script, held to this one by a test.
package refill

import (
	_ "embed"
	"errors"
	"time"
)

// Lua defines refill_next and refill_settle, the twins of Next and Settle, as
// local functions. It is put in front of a script that needs them.
//
//go:embed refill.lua
var Lua string

// MaxAmount is the largest amount: the last integer that a float64, a Lua
// number, holds together with all before it.
const MaxAmount = 1<<53 - 1

const day = 24 * 60 * 60 * 1000 // ms

// farthest is how far ahead the next boundary of a month can be, in ms.
const farthest = 31 * day

// Schedule is how much comes back, and when.
type Schedule struct {
	Amount int64 `cbor:"1,keyasint"`           // what the balance is raised to, 1 to MaxAmount
	Day    int   `cbor:"2,keyasint,omitempty"` // of the month, 1 to 31; 0 means every day
}

// Errors of Check.
var (
	ErrAmount = errors.New("the refill amount must be from 1 to 9007199254740991")
	ErrDay    = errors.New("the refill day must be from 1 to 31")
)

// Check returns ErrAmount or ErrDay for a schedule out of range.
func (s Schedule) Check() error {
	switch {
	case s.Amount < 1 || s.Amount > MaxAmount:
		return ErrAmount
	case s.Day < 0 || s.Day > 31:
		return ErrDay
	}
	return nil
}

// Daily reports whether the balance comes back every day rather than every month.
func (s Schedule) Daily() bool { return s.Day == 0 }

// Settle is the balance and the boundary it waits for, as of now. Before next
// it changes nothing; from next on the balance is at least the amount, and next
// is the first boundary after now. A next of 0 is due at once. One that is further
// ahead than a clock that was set back a little explains becomes the first one after now.
func (s Schedule) Settle(balance, next, now int64) (int64, int64) {
	switch {
	case next-now > s.ahead() && next > s.Next(s.Next(now)):
		return balance, s.Next(now)
	case now < next:
		return balance, next
	}
	return max(balance, s.Amount), s.Next(now)
}

// ahead is how far the next boundary can be, in ms.
func (s Schedule) ahead() int64 {
	if s.Daily() {
		return day
	}
	return farthest
}

// Next is the first boundary after now, never now itself.
func (s Schedule) Next(now int64) int64 {
	if s.Daily() {
		return s.Last(now) + day
	}
	year, month, _ := time.UnixMilli(now).UTC().Date()
	if b := s.boundary(year, month); b > now {
		return b
	}
	return s.boundary(year, month+1)
}

// Last is the latest boundary at or before now. That of a January of 1970 may
// lie before the epoch and be negative.
func (s Schedule) Last(now int64) int64 {
	if s.Daily() {
		return time.UnixMilli(now).UTC().Truncate(day * time.Millisecond).UnixMilli()
	}
	year, month, _ := time.UnixMilli(now).UTC().Date()
	if b := s.boundary(year, month); b <= now {
		return b
	}
	return s.boundary(year, month-1)
}

// boundary is the one within a month, which may be 0 or 13.
func (s Schedule) boundary(year int, month time.Month) int64 {
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return time.Date(year, month, min(s.Day, last), 0, 0, 0, 0, time.UTC).UnixMilli()
}
