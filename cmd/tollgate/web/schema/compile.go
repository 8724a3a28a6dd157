package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Option changes how a type is compiled.
type Option func(*compiler)

// Closed refuses members that the type does not name, at every level.
func Closed() Option { return func(c *compiler) { c.closed = true } }

// Open takes Closed back.
func Open() Option { return func(c *compiler) { c.closed = false } }

// AtMost bounds how many violations are reported; the default is 20.
func AtMost(n int) Option { return func(c *compiler) { c.limit = n } }

// Check applies a check tag to the document itself, such as a bare array.
func Check(check string) Option { return func(c *compiler) { c.check = check } }

// Constants are the names that bound tags may use in the place of numbers.
func Constants(all map[string]int64) Option { return func(c *compiler) { c.constants = all } }

// Patterns are the regular expressions that boundPattern and itemsBoundPattern name.
func Patterns(all map[string]string) Option { return func(c *compiler) { c.patterns = all } }

// Schema is the plan for decoding a T. It is safe for concurrent use.
type Schema[T any] struct {
	root  *node
	limit int
}

// Compile makes the plan. An error is a mistake in the type or its tags.
func Compile[T any](options ...Option) (*Schema[T], error) {
	c := compiler{limit: 20}
	for _, o := range options {
		o(&c)
	}
	root, err := c.node(reflect.TypeFor[T](), c.check, "", "")
	if err != nil {
		return nil, fmt.Errorf("schema of %v: %w", reflect.TypeFor[T](), err)
	}
	return &Schema[T]{root: root, limit: c.limit}, nil
}

// MustCompile is Compile for package variables: it panics on a bad type.
func MustCompile[T any](options ...Option) *Schema[T] {
	s, err := Compile[T](options...)
	if err != nil {
		panic(err)
	}
	return s
}

type compiler struct {
	closed  bool
	limit   int
	check   string         // of the document itself
	answers bool           // the type is only described: any type encoding/json writes will do
	open    []reflect.Type // the structs being compiled, to find recursion

	constants map[string]int64  // for bound tags
	patterns  map[string]string // likewise
}

var (
	customType = reflect.TypeFor[Custom]()
	maybeType  = reflect.TypeFor[maybe]()
	objectType = reflect.TypeFor[Object]()
	timeType   = reflect.TypeFor[time.Time]()

	marshalerType = reflect.TypeFor[json.Marshaler]()
)

// node plans a type under the check, pattern and items tags of its field.
func (c *compiler) node(t reflect.Type, check, pattern, items string) (*node, error) {
	n := &node{typ: t, closed: c.closed}
	if err := c.shape(n, items); err != nil {
		return nil, err
	}
	var err error
	n.rules, err = parseRules(n.kind, check, pattern)
	n.whole = n.kind == kindInteger && !c.answers
	return n, err
}

func (c *compiler) shape(n *node, items string) error {
	switch t := n.typ; {
	case t == objectType:
		n.kind = kindObject
	case reflect.PointerTo(t).Implements(customType):
		n.kind = kindCustom
	case c.answers && t.Kind() != reflect.Struct && t.Implements(marshalerType):
		n.kind = kindAny
	case t.Kind() == reflect.String:
		n.kind = kindString
	case t.Kind() == reflect.Bool:
		n.kind = kindBool
	case t.Kind() == reflect.Int64 || t.Kind() == reflect.Int:
		n.kind = kindInteger
	case t.Kind() == reflect.Slice && (c.answers || t.Elem().Kind() != reflect.Uint8):
		return c.array(n, items)
	case t.Kind() == reflect.Struct && t != timeType:
		return c.object(n)
	case c.answers:
		return c.answer(n)
	default:
		return fmt.Errorf("a request cannot hold %v", t)
	}
	return nil
}

// answer plans the types that occur only in what we write.
func (c *compiler) answer(n *node) (err error) {
	switch t := n.typ; {
	case t == timeType:
		n.kind = kindTime
	case t.Kind() == reflect.Pointer:
		*n = node{}
		var in *node
		if in, err = c.node(t.Elem(), "", "", ""); err == nil {
			*n = *in
		}
	case t.Kind() == reflect.Map:
		n.kind = kindMap
		n.elem, err = c.node(t.Elem(), "", "", "")
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		n.kind = kindInteger
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		n.kind = kindNumber
	default:
		n.kind = kindAny
	}
	return err
}

func (c *compiler) array(n *node, items string) (err error) {
	n.kind = kindArray
	check, pattern, _ := strings.Cut(items, "\x00")
	n.elem, err = c.node(n.typ.Elem(), check, pattern, "")
	return err
}

func (c *compiler) object(n *node) error {
	n.kind = kindStruct
	if slices.Contains(c.open, n.typ) {
		if c.answers {
			n.kind = kindAny
			return nil
		}
		return fmt.Errorf("%v contains itself: make it a Custom", n.typ)
	}
	c.open = append(c.open, n.typ)
	defer func() { c.open = c.open[:len(c.open)-1] }()
	if err := c.fields(n, n.typ, nil); err != nil {
		return err
	}
	n.byName = make(map[string]int, len(n.fields))
	for i, f := range n.fields {
		if _, twice := n.byName[f.name]; twice {
			return fmt.Errorf("two fields are named %q", f.name)
		}
		n.byName[f.name] = i
	}
	return nil
}

// fields adds those of t, which is n's type or embedded in it at index.
func (c *compiler) fields(n *node, t reflect.Type, index []int) error {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(slices.Clone(index), i)
		name, tags, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case name == "-":
			continue
		case sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct:
			if err := c.fields(n, sf.Type, at); err != nil {
				return err
			}
			continue
		case !sf.IsExported():
			continue
		case name == "":
			name = sf.Name
		}
		f, err := c.field(sf, name, tags)
		if err != nil {
			return fmt.Errorf("%s: %w", sf.Name, err)
		}
		f.index = at
		n.fields = append(n.fields, f)
	}
	return nil
}

func (c *compiler) field(sf reflect.StructField, name, tags string) (f field, err error) {
	f = field{name: name, doc: sf.Tag.Get("doc")}
	t := sf.Type
	switch {
	case t.Implements(maybeType):
		f.holder, f.nullable = holdMaybe, true
		value, _ := t.FieldByName("Value")
		t = value.Type
	case t.Kind() == reflect.Pointer:
		f.holder, t = holdPointer, t.Elem()
	}
	check := sf.Tag.Get("check")
	items := sf.Tag.Get("items") + "\x00" + sf.Tag.Get("itemsPattern")
	f.node, err = c.node(t, check, sf.Tag.Get("pattern"), items)
	if err == nil {
		err = c.bounds(f.node, sf.Tag)
	}
	if err != nil {
		return f, err
	}
	if c.answers {
		f.required = !strings.Contains(tags, "omit")
		f.nullable = f.holder == holdMaybe || f.required && f.holder == holdPointer
		return f, nil
	}
	return f, f.presence(check)
}
