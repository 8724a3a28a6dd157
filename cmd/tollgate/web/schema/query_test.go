package schema

import (
	"fmt"
	"iter"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type listKeys struct {
	APIID   string   `json:"apiId" check:"required,minLen=1"`
	Limit   int64    `json:"limit" check:"min=1,max=100,default=100"`
	Decrypt *bool    `json:"decrypt" check:"nullable"`
	GroupBy []string `json:"groupBy" check:"maxItems=2" items:"enum=key|day"`
}

// pairs returns a query string's parameters, sorted by name.
func pairs(query string) iter.Seq2[string, string] {
	values, _ := url.ParseQuery(query)
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return func(yield func(string, string) bool) {
		for _, name := range names {
			for _, v := range values[name] {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}

func TestDecodeQuery(t *testing.T) {
	yes := true
	open, closed := MustCompile[listKeys](), MustCompile[listKeys](Closed())
	for _, test := range []struct {
		query string
		want  listKeys
		err   string
	}{
		{"apiId=a", listKeys{APIID: "a", Limit: 100}, ""},
		{"apiId=a%00&limit=7&decrypt=true&x=1", listKeys{APIID: "a\x00", Limit: 7, Decrypt: &yes}, ""},
		{"apiId=a&groupBy=key", listKeys{APIID: "a", Limit: 100, GroupBy: []string{"key"}}, ""},
		{"apiId=a&groupBy=key&groupBy=day", listKeys{APIID: "a", Limit: 100, GroupBy: []string{"key", "day"}}, ""},
		{"", listKeys{}, "apiId: is required"},
		{"apiId=", listKeys{}, "apiId: must be at least 1 character long"},
		{"apiId=a&apiId=b", listKeys{}, "apiId: expected string, received array"},
		{"apiId=a&limit=", listKeys{}, "limit: expected integer, received string"},
		{"apiId=a&limit=1.5", listKeys{}, "limit: expected integer, received number"},
		{"apiId=a&limit=0x10", listKeys{}, "limit: expected integer, received string"},
		{"apiId=a&limit=101", listKeys{}, "limit: must be at most 100"},
		{"apiId=a&decrypt=yes", listKeys{}, "decrypt: expected boolean, received string"},
		{"apiId=a&groupBy=week", listKeys{}, "groupBy.0: must be one of 'key', 'day'"},
		{"apiId=%ff", listKeys{}, "the query is not valid UTF-8"},
	} {
		var got listKeys
		if err := open.DecodeQuery(pairs(test.query), &got); err != nil || test.err != "" {
			if fmt.Sprint(err) != test.err {
				t.Errorf("%s: got %v, want %s", test.query, err, test.err)
			}
		} else if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("%s: %s", test.query, d)
		}
	}
	var in listKeys
	if err := closed.DecodeQuery(pairs("apiId=a&x=1"), &in); fmt.Sprint(err) != "x: is not a known field" {
		t.Error(err)
	}
}
