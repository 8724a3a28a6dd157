package verify

import (
	"time"
)

// Observer is told of what a Verifier does, for metrics. It is called from many
// goroutines and must not wait.
type Observer interface {
	// Verified is told how each verification ended.
	Verified(r *Request, o *Outcome, err error)
	// Limited is told how each request for uses of identifiers ended: nil also where a limit
	// refused.
	Limited(err error)
	// Sent is told of each call to the store: how many verifications it held and how
	// long the reply took.
	Sent(batch int, took time.Duration, err error)
	// CountersRefused is told that a request would have made more counters than its key
	// or its workspace may have.
	CountersRefused()
}

// noObserver ignores everything.
type noObserver struct{}

func (noObserver) Verified(*Request, *Outcome, error) {}

func (noObserver) Limited(error) {}

func (noObserver) Sent(int, time.Duration, error) {}

func (noObserver) CountersRefused() {}
