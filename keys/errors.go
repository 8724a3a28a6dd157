package keys

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what sort of thing went wrong, in the domain's words. Each dialect
// has one table that turns a Kind into its own status and code.
type Kind uint8

// The kinds of Error. The zero Kind is a fault of the program itself.
const (
	KindInternal          Kind = iota // a bug; the detail is for the log only
	KindInvalid                       // the request's content is wrong; Field says where
	KindUnauthenticated               // no root key, or one that does not exist
	KindNotRootKey                    // a key that exists but is not a root key
	KindForbidden                     // the caller may never do this
	KindMissingPermission             // the caller lacks a right that would allow it
	KindDisabled                      // the root key is disabled
	KindExpired                       // the root key has expired
	KindUsageExceeded                 // the root key has no uses left
	KindRateLimited                   // the root key is over one of its limits
	KindNotFound                      // absent, or not the caller's: the two look alike
	KindConflict                      // it exists already
	KindGone                          // it existed and was deleted
	KindPrecondition                  // the request needs something that is not set up
	KindProtected                     // it is protected against deletion
	KindUnavailable                   // the store did not answer; the outcome may be unknown
)

var kindNames = [...]string{
	"internal", "invalid", "unauthenticated", "not a root key", "forbidden", "missing permission",
	"disabled", "expired", "usage exceeded", "rate limited", "not found", "conflict", "gone",
	"precondition", "protected", "unavailable",
}

// String names the kind for logs.
func (k Kind) String() string { return kindNames[k] }

var ErrCorrupt = errors.New("a stored record does not have the layout of this version")

// Error is a refusal or a failure of the domain. Message is safe to show to the
// caller and never holds a secret; Err, when set, is for the log alone.
type Error struct {
	Kind     Kind
	Resource string // what it is about, in snake case: "key", "api", "role", "ratelimit_namespace", …; may be empty
	Field    string // for KindInvalid: the dotted path of the input that is wrong
	Message  string
	Failure  Failure // for KindUnavailable: in what way the store failed
	// NothingSpent says of a KindUnavailable that the verification certainly spent
	// nothing; otherwise it did so once or not at all.
	NothingSpent bool
	Err          error

	RetryAfter time.Duration // when waiting helps: for how long, in whole seconds; 0 where that is not said
}

// Error returns the caller-safe message, followed by the cause for the log.
func (e *Error) Error() string {
	s := e.Message
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind about a resource.
func Errorf(kind Kind, resource, format string, args ...any) *Error {
	return &Error{Kind: kind, Resource: resource, Message: fmt.Sprintf(format, args...)}
}

// Invalidf makes a KindInvalid error about the input at the dotted path field.
func Invalidf(field, format string, args ...any) *Error {
	return &Error{Kind: KindInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// SpentNothing returns a KindUnavailable that says that nothing was spent, and other
// errors as they are.
func SpentNothing(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindUnavailable {
		return err
	}
	certain := *e
	certain.NothingSpent = true
	return &certain
}

// AsError returns the *Error in err's chain, or wraps err as KindInternal.
// It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindInternal, Message: "internal error", Err: err}
}
