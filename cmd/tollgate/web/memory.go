package web

import (
	"runtime/debug"
	"sync/atomic"
	"time"
)

// memory is the budget of what requests may hold before anything was decided about
// them: a connection's buffers from the moment it is accepted until it is closed, and
// bodies from before they are read until they are answered. What does not fit is
// refused, so strangers can fill the budget and never the machine. A body of at most
// prefetch bytes is part of its connection's share, so the usual request costs no
// reservation of its own.
type memory struct {
	limit    int64 // bytes
	used     atomic.Int64
	high     atomic.Int64 // the most that was used since memory was last given back
	refused  atomic.Int64 // reservations
	trimming atomic.Bool
	pause    time.Duration // before memory is given back; trimPause, shorter in tests
}

// What a reservation must leave free, as a part of the budget: large bodies leave room
// for connections, and those for small bodies.
const (
	spareForConns  = 8  // large bodies leave 1/8
	spareForBodies = 16 // connections leave 1/16
)

func newMemory(limit int64) *memory { return &memory{limit: limit, pause: trimPause} }

// reserve takes n bytes of the budget if spare remain free, and reports whether it did.
func (m *memory) reserve(n, spare int64) bool {
	for {
		used := m.used.Load()
		if used+n > m.limit-spare {
			m.refused.Add(1)
			return false
		}
		if m.used.CompareAndSwap(used, used+n) {
			m.raise(used + n)
			return true
		}
	}
}

func (m *memory) reserveConn(n int64) bool { return m.reserve(n, m.limit/spareForBodies) }

func (m *memory) reserveSmall(n int64) bool { return m.reserve(n, 0) }

func (m *memory) reserveLarge(n int64) bool { return m.reserve(n, m.limit/spareForConns) }

func (m *memory) raise(used int64) {
	for high := m.high.Load(); used > high; high = m.high.Load() {
		if m.high.CompareAndSwap(high, used) {
			return
		}
	}
}

// release gives n reserved bytes back.
func (m *memory) release(n int64) {
	if n == 0 {
		return
	}
	used := m.used.Add(-n)
	if m.high.Load()-used > trimAbove && m.trimming.CompareAndSwap(false, true) {
		time.AfterFunc(m.pause, m.trim)
	}
}

const (
	trimAbove = 32 << 20 // bytes that are free again, after which the system gets them back
	trimPause = 5 * time.Second
)

// trim gives free memory back to the system. By itself Go collects an idle heap every
// two minutes and gives back slowly; and the pools that hold what was used need two
// collections to be empty.
func (m *memory) trim() {
	m.high.Store(m.used.Load())
	m.trimming.Store(false)
	debug.FreeOSMemory()
	debug.FreeOSMemory()
}
