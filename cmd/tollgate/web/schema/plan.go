package schema

import (
	"reflect"
	"regexp"
)

type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInteger
	kindStruct
	kindArray
	kindObject // kept as text
	kindCustom
	kindNumber // from here on: in answers only
	kindMap
	kindAny
	kindTime
)

// typeNames are what JSON Schema calls the kinds.
var typeNames = [...]string{
	"string", "boolean", "integer", "object", "array", "object", "", "number", "object", "", "string",
}

// holder says how a Go field holds a value that may be missing.
type holder uint8

const (
	holdPlain   holder = iota // T
	holdPointer               // *T
	holdMaybe                 // Maybe[T]
)

// node is the plan for one type of value.
type node struct {
	kind  kind
	typ   reflect.Type
	rules rules
	said  rules  // what is checked elsewhere, and only described here
	unit  string // what the longest length in said counts, if not characters of the string
	whole bool   // an integer of a request, within MaxInteger

	elem   *node          // of an array or a map
	fields []field        // of a struct, in the order of declaration
	byName map[string]int // index into fields
	closed bool           // of a struct: refuse other names
}

// field is the plan for one member of a struct.
type field struct {
	name     string
	doc      string
	index    []int // for reflect's FieldByIndex
	node     *node
	holder   holder
	required bool
	nullable bool
	fallback *reflect.Value // the default; nil for none
}

// rules are the checks of one value. Pointers tell "none" from zero.
type rules struct {
	minLen, maxLen     *int64
	min, max, above    *int64
	minItems, maxItems *int64
	maxProps           *int64
	enum               []string
	pattern            *regexp.Regexp
}
