package authz

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tollgate/keys"
)

// Source is a place where a client's key is looked for: exactly one of its fields is set.
type Source struct {
	Bearer bool   // "Authorization: Bearer KEY"
	Header string // a header whose value is the key
	Cookie string // a cookie
	Query  string // a parameter of the URI that the client asked for
}

// DefaultSources are where a key is looked for if a question says nothing else.
var DefaultSources = []Source{{Bearer: true}, {Header: "X-API-Key"}}

func (s Source) check() error {
	set := 0
	for _, name := range []string{s.Header, s.Cookie, s.Query} {
		if name != "" {
			set++
		}
	}
	if s.Bearer {
		set++
	}
	if set != 1 {
		return invalidf("key: want exactly one of bearer, header, cookie and query in each place")
	}
	return nil
}

// headerName is the header that holds a key of this source and nothing else; "" for none.
func (s Source) headerName() string {
	if s.Bearer {
		return "Authorization"
	}
	return s.Header
}

// Message is what a client sent, as far as a key is looked for in it.
type Message struct {
	// Lines returns the values of all lines of a header.
	Lines func(header string) []string
	// URI is what the client asked for, with its query; "" where that is not known. It must
	// come from someone who is trusted.
	URI string
}

// Find returns the key that a client sent. Where that is none, or more than one, it returns
// the answer.
func (q *Question) Find(m Message) (keys.Secret, *Answer) {
	var found found
	for _, s := range q.KeySources() {
		if problem := found.look(s, m); problem != "" {
			return keys.Secret{}, q.refuse(BadRequest, problem)
		}
	}
	switch {
	case found.differ:
		return keys.Secret{}, q.refuse(SeveralKeys, "")
	case found.key == "":
		return keys.Secret{}, q.refuse(MissingKey, "the request has no key: send it as "+q.KeySources()[0].String())
	}
	return keys.NewSecret(found.key), nil
}

// ReadsURI reports whether the key is looked for in what the client asked for.
func (q *Question) ReadsURI() bool {
	return slices.ContainsFunc(q.KeySources(), func(s Source) bool { return s.Query != "" })
}

// KeySources returns where the key is looked for.
func (q *Question) KeySources() []Source {
	if q.Sources == nil {
		return DefaultSources
	}
	return q.Sources
}

// String says in which way a key is sent.
func (s Source) String() string {
	switch {
	case s.Bearer:
		return "'Authorization: Bearer KEY'"
	case s.Header != "":
		return "the header " + s.Header
	case s.Cookie != "":
		return "the cookie " + s.Cookie
	}
	return "the query parameter " + s.Query
}

// found is the key that was found so far.
type found struct {
	key    string
	differ bool
}

func (f *found) add(key string) {
	switch {
	case key == "" || key == f.key:
	case f.key == "":
		f.key = key
	default:
		f.differ = true
	}
}

// look adds what a source has, and returns what is wrong with it.
func (f *found) look(s Source, m Message) (problem string) {
	switch {
	case s.Query != "":
		return f.lookInQuery(s.Query, m.URI)
	case s.Bearer:
		return f.lookForBearer(m.Lines("Authorization"))
	case s.Cookie != "":
		return f.lookForCookie(s.Cookie, m.Lines("Cookie"))
	}
	for _, line := range m.Lines(s.Header) {
		f.add(line)
	}
	return ""
}

// lookForBearer passes over other schemes: they are the application's.
func (f *found) lookForBearer(lines []string) (problem string) {
	for _, line := range lines {
		scheme, token, _ := strings.Cut(line, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		token = strings.Trim(token, " ")
		if token == "" || strings.ContainsAny(token, " ,\t") {
			return "the header Authorization is not Bearer and one key"
		}
		f.add(token)
	}
	return ""
}

func (f *found) lookForCookie(name string, lines []string) (problem string) {
	for _, line := range lines {
		cookies, err := http.ParseCookie(line)
		if err != nil {
			return "the header Cookie can't be read"
		}
		for _, cookie := range cookies {
			if cookie.Name == name {
				f.add(cookie.Value)
			}
		}
	}
	return ""
}

func (f *found) lookInQuery(name, uri string) (problem string) {
	_, query, _ := strings.Cut(uri, "?")
	if query, _, _ = strings.Cut(query, "#"); query == "" {
		return ""
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "the query of the request can't be read"
	}
	for _, value := range values[name] {
		f.add(value)
	}
	return ""
}
