package policies

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/verify"
	"tollgate/verify/authz"

	"github.com/google/go-cmp/cmp"
)

const whole = `
policies:
  orders:
    rootKeyFile: root
    apiId: api_1
    permissions: orders.read AND (a OR b)
    cost: 0
    limits:
      - name: requests
        cost: 2
      - name: others
    tags: [gateway=edge]
    key: [bearer, {header: X-Key}, {cookie: session}, {query: api_key}]
    profile: nginx
    identity: full
  all:
    rootKey: root_2
    apiId: "*"
`

func TestPolicies(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "root"), []byte(" root_1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "policies.yaml"), []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := Load(filepath.Join(dir, "policies.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	orders, others := all["orders"], all["all"]
	if orders.RootKey != keys.NewSecret("root_1") || others.RootKey != keys.NewSecret("root_2") || others.Question.APIID != "*" || len(all) != 2 {
		t.Errorf("%+v", all)
	}
	q := *orders.Question
	if got := q.Permissions.String(); got != "orders.read AND (a OR b)" {
		t.Error(got)
	}
	q.Permissions = verify.Query{}
	want := authz.Question{
		APIID: "api_1", Cost: verify.Free, Tags: []string{"gateway=edge"}, Profile: authz.Nginx, Full: true,
		Limits:  []verify.LimitRequest{{Name: "requests", Cost: 2}, {Name: "others"}},
		Sources: []authz.Source{{Bearer: true}, {Header: "X-Key"}, {Cookie: "session"}, {Query: "api_key"}},
	}
	if diff := cmp.Diff(want, q, cmp.AllowUnexported(verify.Query{})); diff != "" {
		t.Error(diff)
	}
}

// What can't be is refused, by the name of the policy and of the member, and no value is
// quoted: it may be the root key.
func TestWrongPoliciesAreRefused(t *testing.T) {
	policy := func(members string) string {
		return "policies:\n  orders:\n    rootKey: root_secret\n    apiId: a\n    " + members + "\n"
	}
	for text, says := range map[string]string{
		"":                                                   "no policy",
		"policies: {}":                                       "no policy",
		"policies: root_secret":                              "line 1",
		"policy: {}":                                         "policy",
		"policies:\n  orders:\n":                             "orders: it is empty",
		policy("") + "---\n" + policy(""):                    "more than one",
		policy("apiId: b"):                                   "apiId",
		policy("apid: b"):                                    "apid",
		policy("rootKeyFile: /x"):                            "either",
		policy("cost: root_secret"):                          "line 5",
		policy("cost: -1"):                                   "cost",
		policy("cost: 9007199254740992"):                     "cost",
		policy("permissions: a AND"):                         "permissions",
		policy("identity: yes"):                              "identity",
		policy("profile: apache"):                            "profile",
		policy("limits: [{cost: 1}]"):                        "limits",
		policy("limits: [{name: a, cots: 1}]"):               "cots",
		policy("key: [header]"):                              "key",
		policy("key: [{heder: a}]"):                          "key",
		policy("key: [{header: a, cookie: b}]"):              "key",
		policy("key: [{header: }]"):                          "key",
		policy("key: [null]"):                                "key",
		"policies:\n  orders: {rootKey: root_secret}":        "apiId",
		"policies:\n  orders: {rootKey: '', apiId: a}":       "either",
		"policies:\n  orders: {rootKey: 'a b', apiId: a}":    "one word",
		"policies:\n  a/b: {rootKey: root_secret, apiId: a}": "a name has",
		"policies:\n  orders: {rootKeyFile: none, apiId: a}": "rootKeyFile",
		"policies:\n  a: {rootKey: b, apiId: c}\n  a: {rootKey: b, apiId: c}": "already defined",
	} {
		all, err := parse(text, t.TempDir())
		switch {
		case err == nil:
			t.Errorf("%q is let through as %+v", text, all)
		case !strings.Contains(err.Error(), says):
			t.Errorf("%q: %v does not say %s", text, err, says)
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("%q: %v quotes a value", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add("policies: {a: {rootKey: b, apiId: c, key: [bearer, {query: x}]}}")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parse(text, "/nowhere")
		for name, p := range all {
			if err != nil || !namePattern.MatchString(name) || p.Question.Check() != nil || p.RootKey.Reveal() == "" {
				t.Errorf("%q is let through as %+v, %v", text, p, err)
			}
		}
	})
}
