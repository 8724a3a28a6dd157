package faults

import (
	"fmt"

	"tollgate/verify"

	"github.com/anishathalye/porcupine"
)

// operation is what a client asks of one key.
type operation struct {
	what string // verify, set, increment, decrement, disable, enable, read, refill, delete
	n    int64  // cost or value
}

// result is what it was told.
type result struct {
	unknown bool // the reply was lost: it may happen at any time until the end, or never
	code    verify.Code
	absent  bool
	balance int64
	room    int64 // left of the limit
}

// sequential is one key, as it would be if everything happened one after the other.
type sequential struct {
	deleted  bool
	disabled bool
	balance  int64
	used     int64 // of the limit
}

// The key of a history: it begins with some uses, is refilled to refillTo at midnight,
// and lets no more than the limit through.
const (
	firstBalance = 20
	refillTo     = 15
	historyLimit = 120
)

var model = porcupine.Model{
	Init: func() any { return sequential{balance: firstBalance} },
	Step: func(state, input, output any) (bool, any) {
		next, want := state.(sequential).step(input.(operation))
		got := output.(result)
		return got.unknown || got == want, next
	},
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v → %+v", input.(operation), output.(result))
	},
	DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
}

// step returns the state after an operation and what the client must be told.
func (s sequential) step(op operation) (sequential, result) {
	switch {
	case op.what == "refill": // the clock passed midnight
		s.balance = max(s.balance, refillTo)
		return s, result{}
	case op.what == "verify":
		return s.verify(op.n)
	case s.deleted:
		return s, result{absent: true}
	}
	switch op.what {
	case "set":
		s.balance = op.n
	case "increment":
		s.balance += op.n
	case "decrement":
		s.balance = max(0, s.balance-op.n)
	case "disable", "enable":
		s.disabled = op.what == "disable"
		return s, result{}
	case "delete":
		s.deleted = true
		return s, result{}
	}
	return s, result{balance: s.balance}
}

func (s sequential) verify(cost int64) (sequential, result) {
	switch {
	case s.deleted:
		return s, result{code: verify.NotFound}
	case s.disabled:
		return s, result{code: verify.Disabled, balance: s.balance}
	case s.used+1 > historyLimit:
		return s, result{code: verify.RateLimited, balance: s.balance, room: historyLimit - s.used}
	case cost > s.balance:
		return s, result{code: verify.UsageExceeded, balance: s.balance, room: historyLimit - s.used}
	}
	s.balance -= cost
	s.used++
	return s, result{code: verify.Valid, balance: s.balance, room: historyLimit - s.used}
}
