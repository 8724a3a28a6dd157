package verify

import (
	"sync/atomic"
	"time"
)

// shedder decides which calls are refused without being sent. 503 is the answer where
// Redis did not answer in time, or has more to do than it can, and not because a
// request that came in a burst, or on a busy machine, has waited inside this process:
//
//   - Where Redis owes an answer, a call is late that has waited for queueTimeout since
//     it began and since Redis was asked.
//   - Where calls have been waiting without a break for the time of a burst, although
//     Redis answers, there are more than it can take. Then a call is late that began
//     queueTimeout ago, and the others are answered as quickly as ever.
//   - Otherwise none is.
//
// A batcher has its own. All but noteReply is called with the batcher's lock.
type shedder struct {
	timeout   time.Duration // of a request in all
	sentAt    int64         // ns since start: the first asking since Redis was heard; before it nothing is owed
	repliedAt atomic.Int64  // ns since start, when Redis was heard last
	idleAt    int64         // ns since start, when nobody waited last
	refusedAt int64         // ns since start, when a call was refused last
}

// queueTimeout is for how long a call waits before it is sent, callTimeout for how long it
// waits for the answer then: less where it is old already, so that both together are timeout.
func (l *shedder) queueTimeout() int64 { return int64(l.timeout * 2 / 5) }

func (l *shedder) callTimeout(age int64) time.Duration {
	return l.timeout - time.Duration(min(age, l.queueTimeout()))
}

// burst is for how long calls may wait without a break before that is taken for overload.
func (l *shedder) burst() int64 { return int64(4 * l.timeout) }

// late reports whether a call is to be refused now. What gives back is never late.
func (l *shedder) late(c *call, now int64) bool {
	since := c.began
	switch {
	case since == 0:
		return false
	case now-l.idleAt > l.burst():
	case l.awaitingReply():
		since = max(since, l.sentAt)
	default:
		return false
	}
	if now-since <= l.queueTimeout() {
		return false
	}
	l.refusedAt = now
	return true
}

// awaitingReply reports whether Redis was asked and has said nothing since.
func (l *shedder) awaitingReply() bool { return l.sentAt > l.repliedAt.Load() }

// noteSent notes that a batch leaves.
func (l *shedder) noteSent(now int64) {
	if !l.awaitingReply() {
		l.sentAt = now
	}
}

// noteReply notes that Redis has answered.
func (l *shedder) noteReply() { l.repliedAt.Store(int64(time.Since(start))) }

// noteIdle notes that nobody waits. Under overload that may be so because all were refused:
// it counts when none was for a while.
func (l *shedder) noteIdle(now int64) {
	if now-l.refusedAt > l.queueTimeout() {
		l.idleAt = max(l.idleAt, now)
	}
}
