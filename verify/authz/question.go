package authz

import (
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"tollgate/keys"
	"tollgate/verify"
)

// Profile says what a proxy makes of an answer.
type Profile string

// The profiles.
const (
	Default Profile = "default" // every status reaches the client
	Nginx   Profile = "nginx"   // a refusal is 401 or 403: auth_request knows no other
	Envoy   Profile = "envoy"   // the proxy is told to take the key out of the request
)

// Question is what is asked of whoever brings a key. It is made once, for many requests, and
// not changed when it is in use.
type Question struct {
	// APIID is the API whose keys are let through; "*" takes those of every API. Required.
	APIID       string
	WorkspaceID string // a key of another workspace is not found; "" takes every workspace that the root key may verify in
	Permissions verify.Query
	Cost        int64                 // credits; 0 is 1, verify.Free spends none
	Limits      []verify.LimitRequest // beside the stored limits that always apply
	Tags        []string              // for the usage counts; they decide nothing
	Sources     []Source              // where the key is looked for; nil is DefaultSources
	Profile     Profile               // "" is Default
	Full        bool                  // the identity has roles, permissions and metadata
}

// Check returns a *QuestionError where the question can't be asked.
func (q *Question) Check() error {
	switch {
	case q.APIID == "":
		return invalidf("apiId is required: an API's id, or * for the keys of every API")
	case q.Profile != "" && q.Profile != Default && q.Profile != Nginx && q.Profile != Envoy:
		return invalidf("profile: default, nginx or envoy")
	case len(q.Limits) > verify.MaxRequestLimits:
		return invalidf("ratelimit: at most %d", verify.MaxRequestLimits)
	case len(q.Tags) > keys.MaxUsageTags:
		return invalidf("tag: at most %d", keys.MaxUsageTags)
	}
	for _, s := range q.Sources {
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

// QuestionError is the error of a question that can't be asked. Its message holds nothing
// that is secret.
type QuestionError struct{ Message string }

// Error returns the message.
func (e *QuestionError) Error() string { return e.Message }

func invalidf(format string, args ...any) error {
	return &QuestionError{fmt.Sprintf(format, args...)}
}

// MaxQuestion bounds a question that is written as parameters, in bytes.
const MaxQuestion = 4096

// ParseQuestion reads a question from parameters: apiId, permissions, cost, ratelimit, tag,
// profile and identity. One that is unknown or given twice, and a value that can't be, is a
// *QuestionError that names it: a typo must not let everybody through.
func ParseQuestion(parameters iter.Seq2[string, string]) (*Question, error) {
	q := &Question{}
	seen := map[string]bool{}
	for name, value := range parameters {
		set, known := setters[name]
		switch {
		case !known:
			return nil, invalidf("there is no parameter %s; the parameters are apiId, permissions, cost, ratelimit, tag, profile and identity", keys.Redact(name))
		case seen[name]:
			return nil, invalidf("the parameter %s is given twice", name)
		case value == "":
			return nil, invalidf("the parameter %s is empty", name)
		}
		seen[name] = true
		if err := set(q, value); err != nil {
			return nil, err
		}
	}
	return q, q.Check()
}

// ParseRootKey returns the root key that a proxy sends in the lines of a header, or of
// metadata. None, an empty one and several are a *QuestionError that has the name: without a
// root key nobody would be asked whether the key may be verified.
func ParseRootKey(name string, lines []string) (keys.Secret, error) {
	switch {
	case len(lines) == 0 || len(lines) == 1 && lines[0] == "":
		return keys.Secret{}, invalidf("%s is missing", name)
	case len(lines) > 1:
		return keys.Secret{}, invalidf("%s is sent twice", name)
	}
	return keys.NewSecret(lines[0]), nil
}

// Parameters returns the question as ParseQuestion reads it, for who asks a Tollgate over HTTP.
// The error is a *QuestionError: limits that a request brings, several tags, and a workspace
// can't be written so. Sources are not part of it.
func (q *Question) Parameters() (url.Values, error) {
	out := url.Values{"apiId": {q.APIID}}
	set := func(name, value string) {
		if value != "" {
			out.Set(name, value)
		}
	}
	set("permissions", q.Permissions.String())
	set("profile", string(q.Profile))
	if q.Cost != 0 {
		set("cost", costText(q.Cost))
	}
	var limits []string
	for _, l := range q.Limits {
		if l.Own || strings.ContainsAny(l.Name, ",:") {
			return nil, invalidf("ratelimit: a limit that the question brings, and one with a comma or a colon in its name, can't be asked for over HTTP")
		}
		limits = append(limits, l.Name+":"+costText(l.Cost))
	}
	set("ratelimit", strings.Join(limits, ","))
	switch {
	case len(q.Tags) > 1 || q.WorkspaceID != "":
		return nil, invalidf("several tags, and a workspace, can't be asked for over HTTP: the root key has a workspace")
	case len(q.Tags) == 1:
		set("tag", q.Tags[0])
	}
	if q.Full {
		set("identity", "full")
	}
	return out, nil
}

// costText writes a cost of a Request as a parameter.
func costText(cost int64) string {
	switch cost {
	case 0:
		return "1"
	case verify.Free:
		return "0"
	}
	return strconv.FormatInt(cost, 10)
}

// setters read one parameter each.
var setters = map[string]func(q *Question, value string) error{
	"apiId":       func(q *Question, value string) error { q.APIID = value; return nil },
	"permissions": (*Question).setPermissions,
	"cost":        (*Question).setCost,
	"ratelimit":   (*Question).setLimits,
	"tag":         (*Question).setTag,
	"profile":     func(q *Question, value string) error { q.Profile = Profile(value); return nil },
	"identity":    (*Question).setIdentity,
}

func (q *Question) setPermissions(text string) error {
	query, err := verify.ParseQuery(text)
	if err != nil {
		return invalidf("permissions: %s", keys.AsError(err).Message)
	}
	q.Permissions = query
	return nil
}

func (q *Question) setCost(text string) (err error) {
	q.Cost, err = parseCost("cost", text)
	return err
}

// setLimits reads "NAME[:COST]", several with commas between.
func (q *Question) setLimits(text string) error {
	if utf8.RuneCountInString(text) > MaxLimits {
		return invalidf("ratelimit: at most %d characters", MaxLimits)
	}
	for item := range strings.SplitSeq(text, ",") {
		limit := verify.LimitRequest{Name: item}
		if name, cost, found := strings.Cut(item, ":"); found {
			n, err := parseCost("ratelimit", cost)
			if err != nil {
				return err
			}
			limit = verify.LimitRequest{Name: name, Cost: n}
		}
		if limit.Name == "" {
			return invalidf("ratelimit: want NAME or NAME:COST, several with commas between")
		}
		q.Limits = append(q.Limits, limit)
	}
	return nil
}

// The bounds of parameters, in characters.
const (
	MaxLimits = 2048 // ratelimit
	MaxTag    = 512
)

func (q *Question) setTag(text string) error {
	if utf8.RuneCountInString(text) > MaxTag {
		return invalidf("tag: at most %d characters", MaxTag)
	}
	q.Tags = []string{text}
	return nil
}

func (q *Question) setIdentity(text string) error {
	if text != "full" {
		return invalidf("identity: want full, or leave it out")
	}
	q.Full = true
	return nil
}

// parseCost reads a cost for a Request, where 0 takes nothing.
func parseCost(name, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > keys.MaxCount || text[0] == '+' {
		return 0, invalidf("%s: want a cost, a whole number from 0 to %d", name, int64(keys.MaxCount))
	}
	return verify.Costs(n), nil
}
