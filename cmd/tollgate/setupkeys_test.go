package main

import (
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/setupkeys"
)

// Setup keys are not API keys: to whoever has every right, each Unkey endpoint answers
// for a setup key, its id and the API that setup keys belong to exactly as for what does
// not exist, and nothing changes.
func TestSetupKeysAreUnknownToUnkey(t *testing.T) {
	w := newTown(t)
	setup, secret, err := setupkeys.New(w.store).CreateSetupKey(t.Context(), keys.Operator(w.ws).As(), setupkeys.SetupKeyDraft{Name: "laptops", Type: setupkeys.SetupOneOff})
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string][2]string{ // what is there, and what is not and looks like it
		"{key}":    {setup.ID, strings.Repeat("0", len(setup.ID))},
		"{secret}": {secret.Reveal(), "00000000-0000-4000-8000-00000000000A"},
		"{api}":    {setup.APIID, "api_setup_0000000000000000"},
	}
	all := w.root(w.ws, keys.Everything)
	before := w.stored()
	tried := 0
	for name, is := range asked {
		for _, r := range serveUnkey(nil, nil).Routes() {
			v := visits[r.Method+" "+r.Path]
			if r.Path == "/v1/keys.verifyKey" {
				v.with = `{"key":"{secret}","remaining":{"cost":5}}`
			}
			if r.Path == "/v1/apis/{apiId}/keys" && name == "{api}" {
				r.Path = strings.Replace(r.Path, "{apiId}", "{api}", 1)
			} else if !strings.Contains(v.with, name) {
				continue
			}
			there, absent := w.about(r, v, name, is[0], all), w.about(r, v, name, is[1], all)
			if there != absent {
				t.Errorf("%s %s: a setup key is told apart:\n%s\n%s", r.Method, r.Path, there, absent)
			}
			if !strings.Contains(there, "NOT_FOUND") && !strings.Contains(there, "not_found") {
				t.Errorf("%s %s: %s", r.Method, r.Path, there)
			}
			tried++
		}
	}
	if tried < 30 {
		t.Errorf("%d requests were tried", tried)
	}
	if after := w.stored(); !maps.Equal(before, after) {
		t.Errorf("something changed:\n%q\n%q", before, after)
	}
	listed := web.Route{Method: http.MethodPost, Path: "/v2/apis.listKeys"}
	if _, body := w.ask(listed, visits["POST /v2/apis.listKeys"], all); strings.Contains(body, setup.ID) {
		t.Errorf("a list shows it: %s", body)
	}
	if page := must(w.store.APIs(t.Context(), keys.Operator(w.ws).As(), catalog.ListOptions{})); len(page.Rows) != 1 {
		t.Errorf("the list of APIs has %d", len(page.Rows))
	}
}

// about sends a visit with something in the place of a name, and returns the answer
// without what differs from answer to answer.
func (w *town) about(r web.Route, v visit, name, value, rootKey string) string {
	w.t.Helper()
	r.Path, v.with = strings.ReplaceAll(r.Path, name, value), strings.ReplaceAll(v.with, name, value)
	status, body := w.ask(r, v, rootKey)
	return http.StatusText(status) + " " + requestIDs.ReplaceAllString(strings.ReplaceAll(body, value, name), "req_…")
}

var requestIDs = regexp.MustCompile(`req_[0-9A-Za-z]+`)
