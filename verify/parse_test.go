package verify_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/verify"
)

// What is written means what it says, and is printed in its shortest form.
func TestParseQuery(t *testing.T) {
	a, b, c := verify.Permission("a"), verify.Permission("b"), verify.Permission("c")
	for _, row := range []struct {
		text, printed string
		want          verify.Query
	}{
		{"a", "a", a},
		{" ( ( a ) ) ", "a", a},
		{"a AND b", "a AND b", verify.All(a, b)},
		{"a and b OR c", "a AND b OR c", verify.Any(verify.All(a, b), c)},
		{"a Or b aND c", "a OR b AND c", verify.Any(a, verify.All(b, c))},
		{"(a OR b) AND c", "(a OR b) AND c", verify.All(verify.Any(a, b), c)},
		{"(a AND b) AND c", "a AND b AND c", verify.All(a, b, c)},
		{"a OR (b OR (c))", "a OR b OR c", verify.Any(a, b, c)},
		{"a\tAND\n(b\rOR c)", "a AND (b OR c)", verify.All(a, verify.Any(b, c))},
		{"docs.*:read/all-1_x", "docs.*:read/all-1_x", verify.Permission("docs.*:read/all-1_x")},
		{"*", "*", verify.Permission("*")},
		{"ANDy OR ORacle", "ANDy OR ORacle", verify.Any(verify.Permission("ANDy"), verify.Permission("ORacle"))},
	} {
		got, err := verify.ParseQuery(row.text)
		if err != nil || !reflect.DeepEqual(got, row.want) || got.String() != row.printed {
			t.Errorf("%q: got %q, %v", row.text, got, err)
		}
	}
}

// A query that cannot be read is refused with the place where it goes wrong.
func TestParseQueryErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "position 0: unexpected the end, want a permission or (",
		"   ":                     "position 3: unexpected the end",
		"a b":                     "position 2: unexpected 'b', want AND, OR or the end",
		"a AND":                   "position 5: unexpected the end, want a permission or (",
		"AND a":                   "position 0: unexpected 'AND'",
		"a OR or b":               "position 5: unexpected 'or'",
		"(a":                      "position 2: unexpected the end, want AND, OR or )",
		"a)":                      "position 1: unexpected ')', want AND, OR or the end",
		"()":                      "position 1: unexpected ')', want a permission or (",
		"a AND ü":                 "position 6: unexpected character 'ü'",
		"a && b":                  "position 2: unexpected character '&'",
		"a\x00":                   `position 1: unexpected character '\x00'`,
		strings.Repeat("a", 1001): "1001 characters; at most 1000",
		strings.Repeat("(", 1000): "position 1000",
		strings.Repeat("ü", 1001): "1001 characters",
	} {
		_, err := verify.ParseQuery(text)
		e := keys.AsError(err)
		if e == nil || e.Kind != keys.KindInvalid || e.Resource != "permissions_query" || !strings.Contains(e.Message, want) {
			t.Errorf("%.20q: got %v, want %q", text, err, want)
		}
	}
}

// A "*" that a key has is a permission like another.
func TestQueryHasNoWildcard(t *testing.T) {
	q, err := verify.ParseQuery("docs.read")
	if err != nil || q.Holds([]string{"*", "docs.*"}) {
		t.Error(q, err)
	}
}

// parse → print → parse gives the same query, which prints the same.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"a", "a AND b OR c", "((a OR b) AND (c OR d)) OR e", "(a", "* OR x.y:z/1-2_3", "a AND (b AND (c OR (d OR e)))", "and", "a\u00a0AND b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := verify.ParseQuery(text)
		if err != nil {
			if !q.Empty() {
				t.Fatal("an error came with a query")
			}
			return
		}
		printed := q.String()
		if len(printed) > verify.MaxQuery {
			return // "AND(" is written without blanks, and printed with them
		}
		again, err := verify.ParseQuery(printed)
		if err != nil || !reflect.DeepEqual(again, q) || again.String() != printed {
			t.Fatalf("%q was printed as %q, which reads as %q, %v", text, printed, again, err)
		}
		held := []string{"a", "b", "d"}
		slices.Sort(held)
		if q.Holds(held) != again.Holds(held) {
			t.Fatal("printing changed the meaning")
		}
	})
}
