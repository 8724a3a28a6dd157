package main

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/entries"
	"tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/netbird"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/setupkeys"
	"tollgate/verify"
)

// unaudited are routes that write and change nothing that has an entry: what they write is
// how often something was used.
var unaudited = []string{
	"POST /v2/keys.verifyKey", "POST /v1/ratelimits.limit", "POST /v2/ratelimit.limit", "POST /v2/ratelimit.multiLimit", "POST /api/setup-keys/redeem",
}

// keepsRefusals has a gateway of a test note what it refuses before the store is asked.
func keepsRefusals(w *town, c *web.Config) { c.Refused = entries.Refusals(w.store.Audit) }

// entries returns the entries of the workspace since some were read, the oldest first.
func (w *town) entries(before []audit.Entry) []audit.Entry {
	w.t.Helper()
	var all []audit.Entry
	for q := (audit.Query{After: "aud_0000000000000000"}); ; {
		page := must(w.store.Audit.Entries(w.t.Context(), keys.Operator(w.ws).As(), q))
		all = append(all, page.Rows...)
		if q.After = page.Next; page.Next == "" {
			break
		}
	}
	return slices.DeleteFunc(all, func(e audit.Entry) bool {
		return slices.ContainsFunc(before, func(old audit.Entry) bool { return old.ID == e.ID })
	})
}

// lasting is what Redis has without the audit log, and without when a key was last used and
// how often.
func (w *town) lasting() map[string]string {
	all := w.stored()
	maps.DeleteFunc(all, func(name, _ string) bool { return regexp.MustCompile(`^tg:(a|n|u|c|ci|cb):`).MatchString(name) })
	return all
}

// changing is the visit of a route in a way that changes something.
func changing(r web.Route, v visit) visit {
	if r.Action != audit.UpdatePermissions && r.Action != audit.UpdateRoles || strings.Contains(r.Path, "remove") {
		return v
	}
	v.with = strings.NewReplacer(`{permission}`, `{permission 2}`, `"docs.read"`, `"docs.read.all"`, `{role}`, `{role 2}`, `"reader"`, `"writer"`).Replace(v.with)
	return v
}

// checkEntry checks the one entry of a request.
func (w *town) checkEntry(r web.Route, what string, got []audit.Entry, state audit.State) {
	w.t.Helper()
	switch {
	case len(got) != 1:
		w.t.Errorf("%s %s, %s: %d entries, want one: %+v", r.Method, r.Path, what, len(got), got)
	case got[0].State != state || got[0].Action != r.Action:
		w.t.Errorf("%s %s, %s: %s %s, want %s %s", r.Method, r.Path, what, got[0].Action, got[0].State, r.Action, state)
	case got[0].Actor.Type != audit.RootKey || got[0].Actor.ID == "" || got[0].RequestID == "" || got[0].Address != "127.0.0.1" || got[0].Time == 0:
		w.t.Errorf("%s %s, %s: by %+v, %q from %q at %d", r.Method, r.Path, what, got[0].Actor, got[0].RequestID, got[0].Address, got[0].Time)
	case state == audit.Done && (len(got[0].Resources) == 0 || got[0].Resources[0].ID == ""):
		w.t.Errorf("%s %s, %s: about nothing", r.Method, r.Path, what)
	case state == audit.Refused && got[0].Refusal == nil:
		w.t.Errorf("%s %s, %s: refused for nothing", r.Method, r.Path, what)
	}
}

// walkAudited sends each kind of request of a route, and looks at what the log has of it.
func (w *town) walkAudited(r web.Route, v visit) {
	w.t.Helper()
	owner, weak := w.root(w.ws, keys.Everything), w.root(w.ws)
	broken := visit{with: `{"`}
	steps := []struct {
		what, rootKey string
		visit         visit
		state         audit.State // "" for no entry
	}{
		{"with an unknown root key", "nobody_0123456789abcdef", v, ""},
		{"without the right", weak, v, audit.Refused},
		{"with a broken body", owner, broken, audit.Refused},
		{"with a broken body and an unknown root key", "nobody_0123456789abcdef", broken, ""},
		{"accepted", owner, v, audit.Done},
	}
	for _, step := range steps {
		if step.visit.with == broken.with && r.Request == nil {
			continue
		}
		state := step.state
		if r.Action == "" {
			state = ""
		}
		had, before := w.entries(nil), w.lasting()
		status, body := w.ask(r, step.visit, step.rootKey)
		got := w.entries(had)
		changed := !maps.Equal(before, w.lasting())
		if accepted := status < 300; accepted != (step.what == "accepted") && r.Action != "" {
			w.t.Errorf("%s %s, %s: %d %s", r.Method, r.Path, step.what, status, body)
		}
		if changed && r.Action == "" && !slices.Contains(unaudited, r.Method+" "+r.Path) {
			w.t.Errorf("%s %s, %s: it changed something and has no action", r.Method, r.Path, step.what)
		}
		if state != "" {
			w.checkEntry(r, step.what, got, state)
		} else if len(got) > 0 {
			w.t.Errorf("%s %s, %s: it has an entry: %+v", r.Method, r.Path, step.what, got)
		}
	}
}

// Every endpoint of Unkey's that changes something has an entry of each change, and of each that
// a known actor was refused; of strangers there are none. One that has no action changes nothing.
func TestEveryChangeHasAnEntry(t *testing.T) {
	audited := 0
	for _, r := range unkeyRoutes() {
		t.Run(r.Method+r.Path, func(t *testing.T) {
			v, ok := visits[r.Method+" "+r.Path]
			if !ok {
				t.Fatal("it has no visit")
			}
			newTown(t, keepsRefusals).walkAudited(r, changing(r, v))
		})
		if r.Action != "" {
			audited++
		}
	}
	if audited < 45 {
		t.Errorf("only %d routes have an action", audited)
	}
}

// netbirdChanges are requests of NetBird's that change something.
var netbirdChanges = map[string]string{
	"POST /api/setup-keys":           `{"name":"n","type":"reusable","auto_groups":[]}`,
	"POST /api/setup-keys/redeem":    `{"key":"{secret}","peer":"peer"}`,
	"PUT /api/setup-keys/{keyId}":    `{"auto_groups":[],"revoked":true}`,
	"POST /api/groups":               `{"name":"another"}`,
	"PUT /api/groups/{groupId}":      `{"name":"another"}`,
	"DELETE /api/groups/{groupId}":   "",
	"DELETE /api/setup-keys/{keyId}": "",
}

// The same for every endpoint of NetBird's.
func TestEveryChangeOfSetupKeysHasAnEntry(t *testing.T) {
	audited := 0
	rows := netbird.New(nil, nil, netbird.Options{}).Routes()
	for i := range rows {
		t.Run(rows[i].Method+rows[i].Path, func(t *testing.T) {
			w := newTown(t, keepsRefusals)
			api := netbird.New(setupkeys.New(w.store), verify.New(w.store, verify.Options{Timeout: 10 * time.Second}), netbird.Options{})
			router := web.NewRouter(api.Dialect())
			router.Add(api.Dialect(), api.Routes()...)
			w.url = golden.Listen(t, router, func(c *web.Config) { keepsRefusals(w, c) })
			w.has = w.furnishNetBird(w.ws)
			r := api.Routes()[i]
			if r.Path == "/api/groups/{groupId}" && r.Method == http.MethodDelete { // one that no key refers to
				group := must(setupkeys.New(w.store).CreateGroup(t.Context(), keys.Operator(w.ws).As(), "empty"))
				w.has = strings.NewReplacer("{groupId}", group.ID)
			}
			w.walkAudited(r, visit{with: netbirdChanges[r.Method+" "+r.Path]})
		})
		if rows[i].Action != "" {
			audited++
		}
	}
	if audited != 6 {
		t.Errorf("%d routes have an action", audited)
	}
}

// The name of every action is one that a route or a command has.
func TestActionsAreUsed(t *testing.T) {
	used := map[audit.Name]bool{
		audit.CreateNamespace: true, audit.DeleteNamespace: true, audit.UpdateAPI: true, audit.CreateMigration: true, audit.CreateRootKey: true,
		audit.DeleteRootKey: true, audit.CreateWorkspace: true, audit.ImportWorkspace: true, audit.AcceptStore: true,
	} // those of the command line, which testdata/script/audit.txtar shows
	for _, r := range append(unkeyRoutes(), netbird.New(nil, nil, netbird.Options{}).Routes()...) {
		used[r.Action] = true
	}
	for _, name := range audit.Names() {
		if !used[name] {
			t.Errorf("nothing is called %s", name)
		}
		delete(used, name)
	}
	delete(used, "")
	if len(used) > 0 {
		t.Errorf("not in audit.Names: %v", used)
	}
}
