package schema

import (
	"encoding/json"

	"github.com/valyala/fastjson"
)

// Maybe is a member that says one of three things: absent means leave it as
// it is, null means clear it, a value means set it.
type Maybe[T any] struct {
	Set   bool // the member was there
	Null  bool // and it was null
	Value T
}

// Some is a Maybe with a value.
func Some[T any](v T) Maybe[T] { return Maybe[T]{Set: true, Value: v} }

// Null is a Maybe that was null.
func Null[T any]() Maybe[T] { return Maybe[T]{Set: true, Null: true} }

// Get returns the value, if there is one.
func (m Maybe[T]) Get() (v T, ok bool) { return m.Value, m.Set && !m.Null }

// Pointer returns the value, nil when it is absent or null.
func (m Maybe[T]) Pointer() *T {
	if v, ok := m.Get(); ok {
		return &v
	}
	return nil
}

// IsZero lets omitzero leave an absent member out of an answer.
func (m Maybe[T]) IsZero() bool { return !m.Set }

// MarshalJSON writes null for absent and null alike.
func (m Maybe[T]) MarshalJSON() ([]byte, error) {
	if v, ok := m.Get(); ok {
		return json.Marshal(v)
	}
	return []byte("null"), nil
}

func (Maybe[T]) isMaybe() {}

type maybe interface{ isMaybe() }

// Object is the text of a JSON object, without white space between its tokens
// and otherwise as it was sent: numbers keep their digits, strings their
// escapes, members their order. Nil means absent.
type Object []byte

// MarshalJSON writes the text as it is, and null for nil.
func (o Object) MarshalJSON() ([]byte, error) {
	if o == nil {
		return []byte("null"), nil
	}
	return o, nil
}

// Custom is implemented by a pointer to a type that reads itself, such as a
// recursive one. The value must not be kept after DecodeJSON returns, nor
// slices of it; no object in it has a name twice. The text of the error is
// shown to the caller.
type Custom interface {
	DecodeJSON(v *fastjson.Value) error
	DescribeJSON() Description
}
