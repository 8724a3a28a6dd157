package authz_test

import (
	"errors"
	"iter"
	"net/url"
	"strings"
	"testing"

	"tollgate/verify"
	"tollgate/verify/authz"

	"github.com/google/go-cmp/cmp"
)

// parameters are those of a query, in their order.
func parameters(query string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for pair := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(pair, "=")
			name, _ = url.QueryUnescape(name)
			value, _ = url.QueryUnescape(value)
			if !yield(name, value) {
				return
			}
		}
	}
}

func TestAQuestionIsReadFromParameters(t *testing.T) {
	q, err := authz.ParseQuestion(parameters("apiId=api_1&permissions=a+AND+(b+OR+c)&cost=0&ratelimit=tokens:5,requests,looks:0&tag=gateway%3Dedge&profile=nginx&identity=full"))
	if err != nil {
		t.Fatal(err)
	}
	if got := q.Permissions.String(); got != "a AND (b OR c)" {
		t.Errorf("permissions %q", got)
	}
	limits := []verify.LimitRequest{{Name: "tokens", Cost: 5}, {Name: "requests"}, {Name: "looks", Cost: verify.Free}}
	if diff := cmp.Diff(limits, q.Limits); diff != "" {
		t.Error(diff)
	}
	if q.APIID != "api_1" || q.Cost != verify.Free || q.Tags[0] != "gateway=edge" || q.Profile != authz.Nginx || !q.Full {
		t.Errorf("read %+v", q)
	}
}

// A typo must not let everybody through: what is unknown, said twice, empty or out of range is
// an error that names it, and quotes no value.
func TestAWrongQuestionIsRefused(t *testing.T) {
	for query, names := range map[string]string{
		"":                                "parameter",
		"cost=1":                          "apiId",
		"apiId=":                          "apiId",
		"apiId=a&apiId=b":                 "apiId",
		"apiId=a&cost=1&cost=1":           "cost",
		"apiId=a&Cost=1":                  "Cost",
		"apiid=a":                         "apiid",
		"apiId=a&cost=secret":             "cost",
		"apiId=a&cost=-1":                 "cost",
		"apiId=a&cost=%2B1":               "cost",
		"apiId=a&cost=1.5":                "cost",
		"apiId=a&cost=9007199254740992":   "cost",
		"apiId=a&permissions=a+AND":       "permissions",
		"apiId=a&ratelimit=:1":            "ratelimit",
		"apiId=a&ratelimit=x:":            "ratelimit",
		"apiId=a&ratelimit=x,":            "ratelimit",
		"apiId=a&ratelimit=x:secret":      "ratelimit",
		"apiId=a&ratelimit=x&ratelimit=y": "ratelimit",
		"apiId=a&profile=Nginx":           "profile",
		"apiId=a&identity=yes":            "identity",
		"apiId=a&tag=":                    "tag",
		"apiId=a&tag=" + strings.Repeat("t", authz.MaxTag+1):                  "tag",
		"apiId=a&ratelimit=x" + strings.Repeat(",x", verify.MaxRequestLimits): "ratelimit",
	} {
		q, err := authz.ParseQuestion(parameters(query))
		var wrong *authz.QuestionError
		switch {
		case !errors.As(err, &wrong):
			t.Errorf("%.40s: %v, %+v", query, err, q)
		case !strings.Contains(wrong.Message, names):
			t.Errorf("%.40s: %q does not name %s", query, wrong.Message, names)
		case strings.Contains(wrong.Message, "secret"):
			t.Errorf("%.40s: %q quotes a value", query, wrong.Message)
		}
	}
}

func FuzzParseQuestion(f *testing.F) {
	f.Add("apiId=api_1&permissions=a+AND+(b+OR+c)&cost=0&ratelimit=tokens:5,requests&tag=x&profile=nginx&identity=full")
	f.Add("apiId=*&apiId=*")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := authz.ParseQuestion(parameters(query))
		var wrong *authz.QuestionError
		switch {
		case err != nil && !errors.As(err, &wrong):
			t.Errorf("%v is no *QuestionError", err)
		case err == nil && (q.APIID == "" || q.Check() != nil || strings.Count(query, "=") < 1):
			t.Errorf("%q was let through as %+v", query, q)
		}
	})
}
