package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"testing"
	"unicode/utf8"
)

var seeds = []string{
	`{"id":"abc"}`, `{"id":"abc","meta":{"a":[1.5e-3,null,true,"\ud83d\ude00"]},"limits":[{"name":"x"}]}`,
	`{"id":"abc","query":{"and":["a",{"and":[]}]},"name":null,"credits":{"remaining":null},"roles":["a"]}`,
	`{"bytes":1-2}`, `{"bytes":nan}`, `{"a":"\ud800"}`, "{\"a\":\"\x00\"}", `[[[[`, `{"a":1,"a":2}`, "", `"x"`, `-0`, `1e999999999999`,
	"\xef\xbb\xbf{}", `{"id":"abc"}}`, `{"id":"abc",}`, `{"":"","\u0000":0}`,
}

// FuzzDecode checks that whatever is accepted is JSON to encoding/json too, that
// it decodes to the same values, and that nothing panics.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	open, closed := MustCompile[everything](), MustCompile[everything](Closed())
	f.Fuzz(func(t *testing.T, body []byte) {
		var in, strict everything
		err := open.Decode(body, &in)
		var e *Error
		if errors.As(err, &e) && e.Kind != Invalid {
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("%q was read as JSON: %v", body, err)
		}
		if closed.Decode(body, &strict) == nil && err != nil {
			t.Fatalf("%q passes closed and not open: %v", body, err)
		}
		if err == nil {
			sameAsStandard(t, body, in)
		}
	})
}

func sameAsStandard(t *testing.T, body []byte, in everything) {
	var std map[string]json.RawMessage
	if err := json.Unmarshal(body, &std); err != nil {
		t.Fatal(err)
	}
	var id string
	if err := json.Unmarshal(std["id"], &id); err != nil || id != in.ID {
		t.Fatalf("%q: id %q, encoding/json has %q", body, in.ID, id)
	}
	var meta bytes.Buffer
	if std["meta"] != nil && (json.Compact(&meta, std["meta"]) != nil || meta.String() != string(in.Meta)) {
		t.Fatalf("%q: meta %s, encoding/json has %s", body, in.Meta, meta.String())
	}
}

// FuzzTokens checks that the tokens and fastjson together accept what
// encoding/json does, except for what this package refuses on purpose.
func FuzzTokens(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		wrapped := append(append([]byte(`{"meta":{"x":`), body...), "}}"...)
		if !json.Valid(wrapped) || !utf8.Valid(body) || bytes.Count(body, []byte("[")) > 40 || bytes.Contains(body, []byte(`\u`)) || bytes.ContainsAny(body, "{") {
			return
		}
		var in struct {
			Meta Object `json:"meta"`
		}
		if err := MustCompile[struct {
			Meta Object `json:"meta"`
		}]().Decode(wrapped, &in); err != nil {
			t.Fatalf("%q: %v", wrapped, err)
		}
	})
}

// FuzzInteger checks the arithmetic-free parser against exact rationals.
func FuzzInteger(f *testing.F) {
	for _, s := range []string{"0", "-0", "1e3", "1.50e1", "9007199254740991", "9007199254740992", "0.1e1", "1e-1", "100e-2", "0e999999999", "-1e400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || numberLen(s) != len(s) || len(s) > 40 {
			return
		}
		_, exp := significand(s)
		n, fault := parseInteger(s)
		if exp > 1000 || exp < -1000 {
			return // big.Rat would compute the power
		}
		want, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q", s)
		}
		inside := want.IsInt() && want.Num().CmpAbs(big.NewInt(MaxInteger)) <= 0
		if inside != (fault == integerOK) || inside && want.Num().Int64() != n {
			t.Fatalf("%s: got %d fault %d, want %s", s, n, fault, want)
		}
	})
}
