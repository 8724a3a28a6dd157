package keys

// Failure says in what way the store failed: all that a caller is told of it.
type Failure uint8

// The ways in which a store fails. The zero Failure is that it was too slow.
const (
	FailureSlow       Failure = iota // it did not answer in time, or not in a way that can be read
	FailureGone                      // it can't be reached, or the connection broke
	FailureRefused                   // it answered with an error of its own
	FailureFull                      // it has no memory for more; reads and revocations work
	FailureReadOnly                  // it takes no writes: a replica, without the replicas it wants, a disk that fails
	FailureNotAllowed                // it refuses the credentials, or what they may do
	FailureLost                      // it has lost its data
	FailureUnfit                     // it is set so that it loses what it acknowledged
)

var failures = [...]struct {
	name, message string
	passes        bool
}{
	FailureSlow:       {"slow", "the store did not answer in time", true},
	FailureGone:       {"gone", "the store can't be reached", true},
	FailureRefused:    {"refused", "the store refused", true},
	FailureFull:       {"full", "the store is full", false},
	FailureReadOnly:   {"read_only", "the store takes no writes at the moment", true},
	FailureNotAllowed: {"not_allowed", "the store does not allow this", false},
	FailureLost:       {"lost", "the store has lost its data", false},
	FailureUnfit:      {"unfit", "the store is not set up to keep what it is told", false},
}

// Failures lists every Failure.
func Failures() []Failure {
	all := make([]Failure, len(failures))
	for i := range all {
		all[i] = Failure(i)
	}
	return all
}

// String names the failure for logs and metrics.
func (f Failure) String() string { return failures[f].name }

// Message says the failure to a caller.
func (f Failure) Message() string { return failures[f].message }

// Passes reports whether it may be over in a moment, so that asking again helps.
func (f Failure) Passes() bool { return failures[f].passes }
