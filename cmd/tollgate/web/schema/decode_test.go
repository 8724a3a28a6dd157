package schema

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fastjson"
)

// everything has a field of each sort.
type everything struct {
	ID      string         `json:"id" check:"required,minLen=3,maxLen=5" pattern:"^[a-z,]+$"`
	Plan    string         `json:"plan" check:"enum=daily|monthly,default=daily"`
	On      bool           `json:"on" check:"default=true"`
	Bytes   int64          `json:"bytes" check:"min=16,max=255,default=16"`
	Amount  *int64         `json:"amount" check:"exclusiveMin=0"`
	Nick    *string        `json:"nick" check:"nullable"`
	Name    Maybe[string]  `json:"name" check:"minLen=1"`
	Credits Maybe[credits] `json:"credits"`
	Meta    Object         `json:"meta" check:"maxProps=2"`
	Labels  Maybe[Object]  `json:"labels" check:"maxProps=2"`
	Groups  Maybe[[]limit] `json:"groups" check:"maxItems=1"`
	Roles   []string       `json:"roles" check:"minItems=1,maxItems=2" items:"minLen=1,maxLen=3" itemsPattern:"^[a-z]*$"`
	Limits  []limit        `json:"limits"`
	Query   *query         `json:"query"`
	embedded
}

type embedded struct {
	Extra string `json:"extra"`
}

type credits struct {
	Remaining Maybe[int64] `json:"remaining" check:"required,min=0"`
}

type limit struct {
	Name string `json:"name" check:"required"`
	Cost int64  `json:"cost" check:"min=0,default=1"`
}

// query is recursive: a word, or {"and": [query, …]}.
type query struct {
	Word string
	And  []query
}

func (q *query) DecodeJSON(v *fastjson.Value) error {
	if b, err := v.StringBytes(); err == nil {
		q.Word = string(b)
		return nil
	}
	items := v.GetArray("and")
	if items == nil {
		return errors.New("must be a word or {and: […]}")
	}
	q.And = make([]query, len(items))
	for i, item := range items {
		if err := q.And[i].DecodeJSON(item); err != nil {
			return err
		}
	}
	return nil
}

func (*query) DescribeJSON() Description { return Description{"type": []string{"string", "object"}} }

func number(n int64) *int64 { return &n }

func TestDecodeFillsTheStruct(t *testing.T) {
	s := MustCompile[everything]()
	with := func(change func(*everything)) everything {
		e := everything{ID: "abc", Plan: "daily", On: true, Bytes: 16}
		change(&e)
		return e
	}
	for _, test := range []struct {
		body string
		want everything
	}{
		{`{"id":"abc"}`, with(func(e *everything) {})},
		{" \n{ \"id\" : \"abc\" }\t", with(func(e *everything) {})},
		{`{"id":"\u0061b\u0063"}`, with(func(e *everything) {})},
		{`{"id":"abc","unknown":{"x":[1]}}`, with(func(e *everything) {})},
		{`{"id":"abc","on":false,"bytes":255.0,"plan":"monthly"}`, with(func(e *everything) { e.On, e.Bytes, e.Plan = false, 255, "monthly" })},
		{`{"id":"abc","amount":1e3}`, with(func(e *everything) { e.Amount = number(1000) })},
		{`{"id":"abc","amount":9007199254740991}`, with(func(e *everything) { e.Amount = number(MaxInteger) })},
		{`{"id":"abc","nick":null}`, with(func(e *everything) {})},
		{`{"id":"abc","name":null}`, with(func(e *everything) { e.Name = Null[string]() })},
		{`{"id":"abc","name":"\ud83d\ude00\u0000"}`, with(func(e *everything) { e.Name = Some("😀\x00") })},
		{`{"id":"abc","credits":{"remaining":null}}`, with(func(e *everything) { e.Credits = Some(credits{Null[int64]()}) })},
		{`{"id":"abc","credits":{"remaining":-0}}`, with(func(e *everything) { e.Credits = Some(credits{Some(int64(0))}) })},
		{`{"id":"abc","meta":{ "b" : 1.50e+2, "a\u0041":["\/", 12345678901234567890] }}`,
			with(func(e *everything) { e.Meta = Object(`{"b":1.50e+2,"a\u0041":["\/",12345678901234567890]}`) })},
		{`{"id":"abc","roles":["a","bc"]}`, with(func(e *everything) { e.Roles = []string{"a", "bc"} })},
		{`{"id":"abc","limits":[{"name":"x"},{"name":"y","cost":0}]}`, with(func(e *everything) { e.Limits = []limit{{"x", 1}, {"y", 0}} })},
		{`{"id":"abc","limits":[]}`, with(func(e *everything) { e.Limits = []limit{} })},
		{`{"id":"abc","query":{"and":["a",{"and":["b"]}]}}`,
			with(func(e *everything) { e.Query = &query{And: []query{{Word: "a"}, {And: []query{{Word: "b"}}}}} })},
		{`{"id":"abc","labels":null,"groups":null}`, with(func(e *everything) { e.Labels, e.Groups = Null[Object](), Null[[]limit]() })},
		{`{"id":"abc","labels":{ },"groups":[{"name":"x"}]}`,
			with(func(e *everything) { e.Labels, e.Groups = Some(Object("{}")), Some([]limit{{"x", 1}}) })},
		{`{"id":"abc","extra":"e"}`, with(func(e *everything) { e.Extra = "e" })},
	} {
		var got everything
		if err := s.Decode([]byte(test.body), &got); err != nil {
			t.Errorf("%s: %v", test.body, err)
		} else if d := cmp.Diff(test.want, got, cmp.AllowUnexported(everything{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.body, d)
		}
	}
}

func TestDecodeNamesWhatIsWrong(t *testing.T) {
	s := MustCompile[everything](Closed())
	for _, test := range []struct{ body, message, schemaPath, terse string }{
		{`{}`, "id: is required", "/required", "missing property 'id'"},
		{`[]`, "expected object, received array", "/type", "got array, want object"},
		{`"x"`, "expected object, received string", "/type", "got string, want object"},
		{`null`, "expected object, received null", "/type", "got null, want object"},
		{`{"id":null}`, "id: expected string, received null", "/properties/id/type", "got null, want string"},
		{`{"id":1}`, "id: expected string, received number", "/properties/id/type", "got number, want string"},
		{`{"id":"ab"}`, "id: must be at least 3 characters long", "/properties/id/minLength", "minLength: got 2, want 3"},
		{`{"id":"éééééé"}`, "id: must be at most 5 characters long", "/properties/id/maxLength", "maxLength: got 6, want 5"},
		{`{"id":"ABC"}`, "id: must match ^[a-z,]+$", "/properties/id/pattern", "does not match pattern '^[a-z,]+$'"},
		{`{"id":"abc","ID":"abc"}`, "ID: is not a known field", "/additionalProperties", "additional properties 'ID' not allowed"},
		{`{"id":"abc","plan":"yearly"}`, "plan: must be one of 'daily', 'monthly'", "/properties/plan/enum", "value must be one of 'daily', 'monthly'"},
		{`{"id":"abc","on":1}`, "on: expected boolean, received number", "/properties/on/type", "got number, want boolean"},
		{`{"id":"abc","bytes":"16"}`, "bytes: expected integer, received string", "/properties/bytes/type", "got string, want integer"},
		{`{"id":"abc","bytes":16.5}`, "bytes: expected integer, received number", "/properties/bytes/type", "got number, want integer"},
		{`{"id":"abc","bytes":15}`, "bytes: must be at least 16", "/properties/bytes/minimum", "minimum: got 15, want 16"},
		{`{"id":"abc","bytes":256}`, "bytes: must be at most 255", "/properties/bytes/maximum", "maximum: got 256, want 255"},
		{`{"id":"abc","amount":0}`, "amount: must be greater than 0", "/properties/amount/exclusiveMinimum", "exclusiveMinimum: got 0, want 0"},
		{`{"id":"abc","amount":null}`, "amount: expected integer, received null", "/properties/amount/type", "got null, want integer"},
		{`{"id":"abc","amount":9007199254740992}`, "amount: must be at most 9007199254740991", "/properties/amount/maximum", "maximum: got 9007199254740992, want 9007199254740991"},
		{`{"id":"abc","amount":-1e300}`, "amount: must be at least -9007199254740991", "/properties/amount/minimum", "minimum: got -1e300, want -9007199254740991"},
		{`{"id":"abc","name":""}`, "name: must be at least 1 character long", "/properties/name/minLength", "minLength: got 0, want 1"},
		{`{"id":"abc","credits":{}}`, "credits.remaining: is required", "/properties/credits/required", "missing property 'remaining'"},
		{`{"id":"abc","credits":{"remaining":1,"x":1}}`, "credits.x: is not a known field", "/properties/credits/additionalProperties", "additional properties 'x' not allowed"},
		{`{"id":"abc","meta":[]}`, "meta: expected object, received array", "/properties/meta/type", "got array, want object"},
		{`{"id":"abc","meta":{"a":1,"b":2,"c":3}}`, "meta: must have at most 2 members", "/properties/meta/maxProperties", "maxProperties: got 3, want 2"},
		{`{"id":"abc","roles":[]}`, "roles: must have at least 1 item", "/properties/roles/minItems", "minItems: got 0, want 1"},
		{`{"id":"abc","roles":["a","b","c"]}`, "roles: must have at most 2 items", "/properties/roles/maxItems", "maxItems: got 3, want 2"},
		{`{"id":"abc","roles":["a",""]}`, "roles.1: must be at least 1 character long", "/properties/roles/items/minLength", "minLength: got 0, want 1"},
		{`{"id":"abc","limits":[{"name":"x"},{}]}`, "limits.1.name: is required", "/properties/limits/items/required", "missing property 'name'"},
		{`{"id":"abc","limits":[{"name":"x","cost":-1}]}`, "limits.0.cost: must be at least 0", "/properties/limits/items/properties/cost/minimum", "minimum: got -1, want 0"},
		{`{"id":"abc","query":7}`, "query: must be a word or {and: […]}", "/properties/query/custom", "must be a word or {and: […]}"},
	} {
		var in everything
		var e *Error
		if err := s.Decode([]byte(test.body), &in); !errors.As(err, &e) || e.Kind != Invalid {
			t.Errorf("%s: %v", test.body, err)
			continue
		}
		v := e.Violations[0]
		want := [3]string{test.message, test.schemaPath, test.terse}
		if got := [3]string{v.String(), v.SchemaPath, v.Terse}; got != want {
			t.Errorf("%s:\n got %q\nwant %q", test.body, got, want)
		}
	}
}

func TestDecodeRefusesWhatIsNotStrictJSON(t *testing.T) {
	s := MustCompile[everything]()
	for _, test := range []struct{ body, want string }{
		{"", "empty"},
		{" \n", "empty"},
		{"\xef\xbb\xbf{}", "byte order mark"},
		{"{\"id\":\"a\xff\"}", "UTF-8"},
		{`{"id":"abc"} x`, "unexpected character"},
		{`{"id":"abc"}{}`, "something follows"},
		{`{"id":"abc",}`, "object key"},
		{`{"id":"abc"`, "end of object"},
		{`{"id" "abc"}`, "missing ':'"},
		{`{'id':"abc"}`, "unexpected character at byte 1"},
		{`{"id":"abc`, "unfinished string"},
		{`{"id":"abc\`, "unfinished string"},
		{"{\"id\":\"a\nc\"}", "control character"},
		{`{"id":"\x61"}`, "unknown escape"},
		{`{"id":"\u00g1"}`, "\\u escape"},
		{`{"id":"\ud800"}`, "surrogate"},
		{`{"id":"\ude00\ud83d"}`, "surrogate"},
		{`{"id":"\ud83dx"}`, "surrogate"},
		{`{"bytes":NaN}`, "unexpected"},
		{`{"bytes":nan}`, "unexpected"},
		{`{"bytes":Infinity}`, "unexpected"},
		{`{"bytes":01}`, "unexpected"},
		{`{"bytes":1-2}`, "unexpected"},
		{`{"bytes":+1}`, "unexpected"},
		{`{"bytes":1.}`, "unexpected"},
		{`{"bytes":.5}`, "unexpected"},
		{`{"bytes":1e}`, "unexpected"},
		{`{"bytes":0x10}`, "unexpected"},
		{`{"on":True}`, "unexpected"},
		{`{"on":truefalse}`, "unexpected"},
		{`{"id":"abc","id":"abd"}`, "'id' occurs twice"},
		{`{"id":"abc","\u0069d":"abd"}`, "'id' occurs twice"},
		{`{"id":"abc","zz":1,"y":2,"zz":3}`, "'zz' occurs twice"},
		{`{"id":"abc","meta":{"a":[{"b":1,"b":2}]}}`, "'b' occurs twice"},
		{`{"id":"abc","query":{"and":[],"and":[]}}`, "'and' occurs twice"},
		{`{"id":"abc","limits":[{"name":"x","name":"x"}]}`, "'name' occurs twice"},
		{strings.Repeat("[", 10000), "nested"},
		{strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), "nested"},
		{"[" + strings.Repeat("0,", maxValues) + "0]", "values"},
		{`{"\u006b"}`, "missing ':'"},
	} {
		var in everything
		err := s.Decode([]byte(test.body), &in)
		var e *Error
		if !errors.As(err, &e) || e.Kind == Invalid || !strings.Contains(e.Message, test.want) {
			t.Errorf("%.60q: got %v, want …%s…", test.body, err, test.want)
		}
	}
}

func TestAMalformedBodyIsNeverQuoted(t *testing.T) {
	s := MustCompile[everything]()
	body := `{"id":"sk_secret_1","meta":{"k":"sk_secret_2"}`
	for cut := 1; cut <= len(body); cut++ {
		var in everything
		for _, text := range []string{body[:cut], body[:cut] + "}}}", body[:cut] + "\x01", body[:cut] + `"sk_secret_3`} {
			if err := s.Decode([]byte(text), &in); err == nil || strings.Contains(err.Error(), "sk_sec") {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

func TestViolationsComeInTheOrderOfTheFieldsAndAreBounded(t *testing.T) {
	s := MustCompile[everything](Closed(), AtMost(4))
	var in everything
	var e *Error
	body := `{"zzz":1,"limits":2,"meta":1,"on":"x","bytes":1,"id":"A"}`
	if err := s.Decode([]byte(body), &in); !errors.As(err, &e) {
		t.Fatal(err)
	}
	var got []string
	for _, v := range e.Violations {
		got = append(got, v.Path)
	}
	if d := cmp.Diff([]string{"id", "on", "bytes", "meta"}, got); d != "" {
		t.Error(d)
	}
}

func TestDecodeABareArray(t *testing.T) {
	s := MustCompile[[]limit](Check("minItems=1,maxItems=2"), Closed())
	for _, test := range []struct{ body, want string }{
		{`[{"name":"a"},{"name":"b"}]`, "<nil>"},
		{`[]`, "must have at least 1 item"},
		{`[{"name":"a"},{"name":"b"},{"name":"c"}]`, "must have at most 2 items"},
		{`[{"name":"a"},{"cost":1}]`, "1.name: is required"},
		{`{"name":"a"}`, "expected array, received object"},
	} {
		var in []limit
		if got := fmt.Sprint(s.Decode([]byte(test.body), &in)); got != test.want {
			t.Errorf("%s: got %s, want %s", test.body, got, test.want)
		}
	}
}

func TestDecodeKeepsNothingOfTheBody(t *testing.T) {
	s := MustCompile[everything]()
	body := []byte(`{"id":"abc","meta":{"k":"v"},"roles":["a"],"query":"word","name":"nnn"}`)
	var in everything
	if err := s.Decode(body, &in); err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = '#'
	}
	var other everything // another decoding, which may get the same parser
	_ = s.Decode([]byte(`{"id":"xxx","meta":{"x":"x"},"roles":["x"],"query":"xxxx","name":"xxx"}`), &other)
	if got := fmt.Sprintln(in.ID, string(in.Meta), in.Roles, in.Query.Word, in.Name.Value); got != "abc {\"k\":\"v\"} [a] word nnn\n" {
		t.Error(got)
	}
}

func TestCompileRefusesMistakes(t *testing.T) {
	type self struct {
		Self []self `json:"self"`
	}
	for name, err := range map[string]error{
		"float":  compileError[struct{ F float64 }](),
		"map":    compileError[struct{ M map[string]string }](),
		"bytes":  compileError[struct{ B []byte }](),
		"itself": compileError[self](),
		"unknown check": compileError[struct {
			S string `check:"long"`
		}](),
		"check of another": compileError[struct {
			S string `check:"min=1"`
		}](),
		"bad number": compileError[struct {
			S string `check:"minLen=x"`
		}](),
		"bad pattern": compileError[struct {
			S string `pattern:"("`
		}](),
		"default not in enum": compileError[struct {
			S string `check:"enum=a|b,default=c"`
		}](),
		"required default": compileError[struct {
			S string `check:"required,default=c"`
		}](),
		"nullable plain": compileError[struct {
			S string `check:"nullable"`
		}](),
		"two of a name": compileError[struct {
			A string `json:"B"`
			B string
		}](),
	} {
		if err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

func compileError[T any]() error {
	_, err := Compile[T]()
	return err
}
