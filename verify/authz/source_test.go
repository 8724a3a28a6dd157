package authz_test

import (
	"net/http"
	"testing"

	"tollgate/verify"
	"tollgate/verify/authz"
)

// A key is found where the question looks for it and nowhere else. Two that differ are
// refused, in one place or in two; what can't be read is not passed over.
func TestKeysAreFoundWhereTheQuestionLooks(t *testing.T) {
	everywhere := []authz.Source{{Bearer: true}, {Header: "X-Key"}, {Cookie: "key"}, {Query: "key"}}
	for _, c := range []struct {
		name    string
		sources []authz.Source
		lines   http.Header
		uri     string
		key     string
		refused verify.Code
	}{
		{"bearer", nil, http.Header{"Authorization": {"bearer  abc"}}, "", "abc", ""},
		{"header", nil, http.Header{"X-Api-Key": {"abc"}}, "", "abc", ""},
		{"nothing", nil, nil, "", "", authz.MissingKey},
		{"empty header", nil, http.Header{"X-Api-Key": {""}}, "", "", authz.MissingKey},
		{"the application's scheme", nil, http.Header{"Authorization": {"Basic YTpi"}, "X-Api-Key": {"abc"}}, "", "abc", ""},
		{"the application's scheme alone", nil, http.Header{"Authorization": {"Basic YTpi"}}, "", "", authz.MissingKey},
		{"not looked for", nil, http.Header{"Cookie": {"key=abc"}, "X-Key": {"abc"}}, "/?key=abc", "", authz.MissingKey},
		{"cookie", everywhere, http.Header{"Cookie": {"a=b; key=abc; keys=x"}}, "", "abc", ""},
		{"query", everywhere, nil, "/a?b=c&key=a%62c#d", "abc", ""},
		{"named header", everywhere, http.Header{"X-Key": {"abc"}, "X-Api-Key": {"other"}}, "", "abc", ""},
		{"the same one twice", everywhere, http.Header{"Authorization": {"Bearer abc"}, "X-Key": {"abc", "abc"}}, "/?key=abc", "abc", ""},
		{"two in two places", nil, http.Header{"Authorization": {"Bearer abc"}, "X-Api-Key": {"abd"}}, "", "", authz.SeveralKeys},
		{"two lines", nil, http.Header{"X-Api-Key": {"abc", "abd"}}, "", "", authz.SeveralKeys},
		{"two cookies", everywhere, http.Header{"Cookie": {"key=abc; key=abd"}}, "", "", authz.SeveralKeys},
		{"two parameters", everywhere, nil, "/?key=abc&key=abd", "", authz.SeveralKeys},
		{"two in one line", nil, http.Header{"Authorization": {"Bearer abc, Bearer abd"}}, "", "", authz.BadRequest},
		{"bearer and nothing", nil, http.Header{"Authorization": {"Bearer"}}, "", "", authz.BadRequest},
		{"a query that can't be read", everywhere, nil, "/?key=%zz", "", authz.BadRequest},
		{"a cookie that can't be read", everywhere, http.Header{"Cookie": {"key"}}, "", "", authz.BadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := &authz.Question{APIID: "*", Sources: c.sources}
			key, answer := q.Find(authz.Message{Lines: c.lines.Values, URI: c.uri})
			switch {
			case key.Reveal() != c.key:
				t.Errorf("found %q, want %q", key.Reveal(), c.key)
			case c.refused == "" && answer != nil, c.refused != "" && (answer == nil || answer.Code != c.refused || answer.Allowed()):
				t.Errorf("answered %+v, want %q", answer, c.refused)
			}
		})
	}
}

func TestAPlaceIsExactlyOne(t *testing.T) {
	for _, s := range []authz.Source{{}, {Bearer: true, Header: "A"}, {Header: "A", Cookie: "b"}, {Cookie: "a", Query: "b"}} {
		if q := (&authz.Question{APIID: "*", Sources: []authz.Source{s}}); q.Check() == nil {
			t.Errorf("%+v was let through", s)
		}
	}
}
