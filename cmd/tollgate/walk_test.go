package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/unkeyv1"
	"tollgate/cmd/tollgate/unkeyv2"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/usage"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

func serveUnkey(store *store.Store, verifier *verify.Verifier) *web.Router {
	v1, v2 := unkeyv1.New(store, usage.NewReader(store, 0), verifier), unkeyv2.New(store, verifier)
	router := web.NewRouter(v1.Dialect(), v2.Dialect())
	router.Add(v1.Dialect(), v1.Routes()...)
	router.Add(v2.Dialect(), v2.Routes()...)
	return router
}

// visit is a request of a route that is granted to whoever has the rights of its row
// of the table, and no others. {api}, {key}, {secret}, {identity}, {permission}, {role}
// and {space} stand for what the workspace has; {permission 2} and {role 2} are those
// that the key has not.
type visit struct {
	with   string // the body, or the query of a GET
	masked int    // the answer where a right is missing, if it is not the dialect's own for that
	own    bool   // it names nothing, so it means something in any workspace
	answer int    // where it is granted, if it is not 200
}

// visits must have every route that is not public.
var visits = map[string]visit{
	"GET /v1/analytics.getVerifications":    {with: `apiId={api}&start=1`},
	"POST /v1/apis.createApi":               {with: `{"name":"another"}`, own: true},
	"POST /v1/apis.deleteApi":               {with: `{"apiId":"{api}"}`},
	"POST /v1/apis.deleteKeys":              {with: `{"apiId":"{api}"}`},
	"GET /v1/apis.getApi":                   {with: `apiId={api}`},
	"GET /v1/apis.listKeys":                 {with: `apiId={api}`},
	"GET /v1/apis/{apiId}/keys":             {},
	"POST /v1/identities.createIdentity":    {with: `{"externalId":"another"}`, own: true},
	"POST /v1/identities.deleteIdentity":    {with: `{"identityId":"{identity}"}`},
	"GET /v1/identities.getIdentity":        {with: `identityId={identity}`},
	"GET /v1/identities.listIdentities":     {own: true},
	"POST /v1/identities.updateIdentity":    {with: `{"identityId":"{identity}","meta":{"b":2}}`},
	"POST /v1/keys":                         {with: `{"apiId":"{api}"}`},
	"POST /v1/keys.addPermissions":          {with: `{"keyId":"{key}","permissions":[{"id":"{permission}"}]}`},
	"POST /v1/keys.addRoles":                {with: `{"keyId":"{key}","roles":[{"id":"{role}"}]}`},
	"POST /v1/keys.createKey":               {with: `{"apiId":"{api}"}`},
	"POST /v1/keys.deleteKey":               {with: `{"keyId":"{key}"}`},
	"GET /v1/keys.getKey":                   {with: `keyId={key}`},
	"GET /v1/keys.getVerifications":         {with: `keyId={key}`},
	"POST /v1/keys.removePermissions":       {with: `{"keyId":"{key}","permissions":[{"id":"{permission}"}]}`},
	"POST /v1/keys.removeRoles":             {with: `{"keyId":"{key}","roles":[{"id":"{role}"}]}`},
	"POST /v1/keys.setPermissions":          {with: `{"keyId":"{key}","permissions":[{"id":"{permission 2}"}]}`},
	"POST /v1/keys.setRoles":                {with: `{"keyId":"{key}","roles":[{"id":"{role 2}"}]}`},
	"POST /v1/keys.updateKey":               {with: `{"keyId":"{key}","name":"changed"}`},
	"POST /v1/keys.updateRemaining":         {with: `{"keyId":"{key}","op":"set","value":7}`},
	"POST /v1/keys.whoami":                  {with: `{"key":"{secret}"}`},
	"POST /v1/migrations.createKeys":        {with: `[{"apiId":"{api}","plaintext":"0123456789abcdef"}]`},
	"POST /v1/migrations.enqueueKeys":       {with: `{"migrationId":"m","apiId":"{api}","keys":[{"plaintext":"0123456789abcdef"}]}`},
	"POST /v1/permissions.createPermission": {with: `{"name":"another"}`, own: true},
	"POST /v1/permissions.createRole":       {with: `{"name":"another"}`, own: true},
	"POST /v1/permissions.deletePermission": {with: `{"permissionId":"{permission}"}`},
	"POST /v1/permissions.deleteRole":       {with: `{"roleId":"{role}"}`},
	"GET /v1/permissions.getPermission":     {with: `permissionId={permission}`},
	"GET /v1/permissions.getRole":           {with: `roleId={role}`},
	"GET /v1/permissions.listPermissions":   {own: true},
	"GET /v1/permissions.listRoles":         {own: true},
	"POST /v1/ratelimits.deleteOverride":    {with: `{"namespaceName":"{space}","identifier":"user"}`},
	"GET /v1/ratelimits.getOverride":        {with: `namespaceName={space}&identifier=user`},
	"POST /v1/ratelimits.limit":             {with: `{"namespace":"{space}","identifier":"user","limit":10,"duration":1000}`, own: true},
	"GET /v1/ratelimits.listOverrides":      {with: `namespaceName={space}`},
	"POST /v1/ratelimits.setOverride":       {with: `{"namespaceName":"{space}","identifier":"another","limit":1,"duration":1000}`},

	"POST /v2/analytics.getVerifications":     {with: `{"query":"SELECT 1"}`, own: true, answer: http.StatusPreconditionFailed},
	"POST /v2/analytics.getRatelimits":        {with: `{"query":"SELECT 1"}`, own: true, answer: http.StatusPreconditionFailed},
	"POST /v2/apis.createApi":                 {with: `{"name":"another"}`, own: true},
	"POST /v2/apis.deleteApi":                 {with: `{"apiId":"{api}"}`},
	"POST /v2/apis.getApi":                    {with: `{"apiId":"{api}"}`},
	"POST /v2/apis.listKeys":                  {with: `{"apiId":"{api}"}`, masked: http.StatusNotFound},
	"POST /v2/audit.listEntries":              {with: `{}`, own: true},
	"POST /v2/identities.createIdentity":      {with: `{"externalId":"another"}`, own: true},
	"POST /v2/identities.deleteIdentity":      {with: `{"identity":"{identity}"}`},
	"POST /v2/identities.getIdentity":         {with: `{"identity":"{identity}"}`},
	"POST /v2/identities.listIdentities":      {with: `{}`, own: true},
	"POST /v2/identities.updateIdentity":      {with: `{"identity":"{identity}","meta":{"b":2}}`},
	"POST /v2/keys.addPermissions":            {with: `{"keyId":"{key}","permissions":["docs.read"]}`},
	"POST /v2/keys.addRoles":                  {with: `{"keyId":"{key}","roles":["reader"]}`},
	"POST /v2/keys.createKey":                 {with: `{"apiId":"{api}"}`, masked: http.StatusNotFound},
	"POST /v2/keys.deleteKey":                 {with: `{"keyId":"{key}"}`},
	"POST /v2/keys.getKey":                    {with: `{"keyId":"{key}"}`},
	"POST /v2/keys.migrateKeys":               {with: `{"migrationId":"migration","apiId":"{api}","keys":[{"hash":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="}]}`},
	"POST /v2/keys.removePermissions":         {with: `{"keyId":"{key}","permissions":["docs.read"]}`},
	"POST /v2/keys.removeRoles":               {with: `{"keyId":"{key}","roles":["reader"]}`},
	"POST /v2/keys.rerollKey":                 {with: `{"keyId":"{key}","expiration":0}`},
	"POST /v2/keys.setPermissions":            {with: `{"keyId":"{key}","permissions":["docs.read"]}`},
	"POST /v2/keys.setRoles":                  {with: `{"keyId":"{key}","roles":["reader"]}`},
	"POST /v2/keys.updateCredits":             {with: `{"keyId":"{key}","operation":"set","value":7}`},
	"POST /v2/keys.updateKey":                 {with: `{"keyId":"{key}","name":"changed"}`},
	"POST /v2/keys.verifyKey":                 {with: `{"key":"{secret}"}`, masked: http.StatusOK},
	"POST /v2/keys.whoami":                    {with: `{"key":"{secret}"}`, masked: http.StatusNotFound},
	"POST /v2/permissions.createPermission":   {with: `{"name":"another","slug":"another"}`, own: true},
	"POST /v2/permissions.createRole":         {with: `{"name":"another"}`, own: true},
	"POST /v2/permissions.deletePermission":   {with: `{"permission":"{permission}"}`},
	"POST /v2/permissions.deleteRole":         {with: `{"role":"{role}"}`},
	"POST /v2/permissions.getPermission":      {with: `{"permission":"{permission}"}`},
	"POST /v2/permissions.getRole":            {with: `{"role":"{role}"}`},
	"POST /v2/permissions.listPermissions":    {with: `{}`, own: true},
	"POST /v2/permissions.listRoles":          {with: `{}`, own: true},
	"POST /v2/permissions.setRolePermissions": {with: `{"roleId":"{role}","permissions":["docs.read"]}`},
	"POST /v2/ratelimit.deleteOverride":       {with: `{"namespace":"{space}","identifier":"user"}`},
	"POST /v2/ratelimit.getOverride":          {with: `{"namespace":"{space}","identifier":"user"}`, masked: http.StatusNotFound},
	"POST /v2/ratelimit.limit":                {with: `{"namespace":"{space}","identifier":"user","limit":10,"duration":1000}`, own: true},
	"POST /v2/ratelimit.listOverrides":        {with: `{"namespace":"{space}"}`},
	"POST /v2/ratelimit.multiLimit":           {with: `[{"namespace":"{space}","identifier":"user","limit":10,"duration":1000}]`, own: true},
	"POST /v2/ratelimit.setOverride":          {with: `{"namespace":"{space}","identifier":"another","limit":1,"duration":1000}`},
}

// refusals are what a dialect answers without a root key and without a right.
var refusals = map[string]struct{ nobody, missing int }{
	"unkey v1": {http.StatusForbidden, http.StatusForbidden},
	"unkey v2": {http.StatusBadRequest, http.StatusForbidden},
}

// town is a workspace with one of everything, and another workspace's root key.
type town struct {
	t        *testing.T
	store    *store.Store
	redis    redis.UniversalClient
	url      string
	ws       string
	has      *strings.Replacer
	stranger string
	ids      []string // that nobody else may be told
}

func newTown(t *testing.T, configure ...func(*town, *web.Config)) *town {
	t.Helper()
	client := redistest.Empty(t)
	keyset := filepath.Join(t.TempDir(), "keyset")
	if err := os.WriteFile(keyset, must(store.NewKeyset()), 0o600); err != nil {
		t.Fatal(err)
	}
	options := store.Options{Timeout: 10 * time.Second, Sealer: must(store.LoadSealer(keyset)), Audit: audit.Options{On: len(configure) > 0, Wait: true}}
	w := &town{t: t, store: store.Open(client, options), redis: client}
	w.ws = must(w.store.Workspace(t.Context(), keys.DefaultWorkspace))
	a := keys.Operator(w.ws).As()
	api := must(w.store.CreateAPI(t.Context(), a, "town"))
	permission := must(w.store.CreatePermission(t.Context(), a, keys.PermissionDraft{Name: "docs.read"}))
	role := must(w.store.CreateRole(t.Context(), a, keys.RoleDraft{Name: "reader"}))
	permission2 := must(w.store.CreatePermission(t.Context(), a, keys.PermissionDraft{Name: "docs.read.all"}))
	role2 := must(w.store.CreateRole(t.Context(), a, keys.RoleDraft{Name: "writer"}))
	identity := must(w.store.CreateIdentity(t.Context(), a, keys.IdentityDraft{ExternalID: "somebody"}))
	uses := int64(100)
	key := must(w.store.CreateKey(t.Context(), a, keys.KeyDraft{
		APIID: api.ID, Remaining: &uses, Permissions: []keys.Ref{{ID: permission.ID}}, Roles: []keys.Ref{{ID: role.ID}}, ExternalID: "somebody",
	}))
	sealed := must(w.store.CreateKey(t.Context(), a, keys.KeyDraft{APIID: api.ID, Recoverable: true}))
	must(w.store.SetOverride(t.Context(), a, keys.NamespaceRef{Name: "space", Create: true}, keys.Override{Identifier: "user", Limit: 9, Duration: 1000}))
	must(w.store.CreateMigration(t.Context(), w.ws, "migration", keys.SHA256))
	w.has = strings.NewReplacer("{api}", api.ID, "{apiId}", api.ID, "{key}", key.ID, "{secret}", key.Secret.Reveal(),
		"{identity}", identity.ID, "{permission}", permission.ID, "{role}", role.ID,
		"{permission 2}", permission2.ID, "{role 2}", role2.ID, "{space}", "space", "{sealed}", sealed.ID)
	w.ids = []string{api.ID, permission.ID, role.ID, identity.ID, key.ID, key.Secret.Reveal()}
	other := must(w.store.Workspace(t.Context(), "other"))
	w.stranger = w.root(other, keys.Everything)
	w.url = golden.Listen(t, serveUnkey(w.store, verify.New(w.store, verify.Options{Timeout: 10 * time.Second})), func(c *web.Config) {
		for _, set := range configure {
			set(w, c)
		}
	})
	return w
}

// must returns the value of a call that has to succeed.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// root makes a root key with grants; without any it has a right that nothing needs.
func (w *town) root(ws string, grants ...string) string {
	w.t.Helper()
	if len(grants) == 0 {
		grants = []string{"ratelimit.*.update_namespace"}
	}
	_, secret, err := w.store.CreateRootKey(w.t.Context(), ws, keys.RootDraft{Grants: grants})
	if err != nil {
		w.t.Fatal(err)
	}
	return secret.Reveal()
}

// ask sends the visit of a route and returns the status and the body.
func (w *town) ask(r web.Route, v visit, rootKey string) (int, string) {
	w.t.Helper()
	url, with, body := w.url+w.has.Replace(r.Path), w.has.Replace(v.with), ""
	if r.Method == http.MethodGet {
		url += "?" + with
	} else {
		body = with
	}
	req := must(http.NewRequestWithContext(w.t.Context(), r.Method, url, strings.NewReader(body)))
	if rootKey != "" {
		req.Header.Set("Authorization", "Bearer "+rootKey)
	}
	req.Header.Set("Content-Type", "application/json")
	res := must(http.DefaultClient.Do(req))
	defer res.Body.Close()
	return res.StatusCode, string(must(io.ReadAll(res.Body)))
}

// stored is all that Redis has, by name.
func (w *town) stored() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, name := range redistest.Names(w.t, w.redis, "*") {
		all[name] = must(w.redis.Dump(w.t.Context(), name).Result())
	}
	return all
}

// refused checks that a visit is answered with a status, tells nothing of the
// workspace, and changes nothing.
func (w *town) refused(who string, r web.Route, v visit, rootKey string, want int) {
	w.t.Helper()
	before := w.stored()
	status, body := w.ask(r, v, rootKey)
	if status != want {
		w.t.Errorf("%s %s by %s: %d, want %d\n%s", r.Method, r.Path, who, status, want, body)
	}
	if strings.Contains(body, `"valid":true`) || strings.Contains(body, "docs.read") {
		w.t.Errorf("%s %s tells %s: %s", r.Method, r.Path, who, body)
	}
	if !maps.Equal(before, w.stored()) {
		w.t.Errorf("%s %s by %s changed something", r.Method, r.Path, who)
	}
}

// unkeyRoutes are the rows that take a root key.
func unkeyRoutes() []web.Route {
	return slices.DeleteFunc(serveUnkey(nil, nil).Routes(), func(r web.Route) bool { return r.Public })
}

func grantsOf(needs []keys.Right) []string {
	var grants []string
	for _, need := range needs {
		resource, action, _ := strings.Cut(string(need), ".")
		grants = append(grants, resource+".*."+action)
	}
	return grants
}

// Each endpoint refuses who has no root key, who lacks any one of the rights in its row,
// and who comes from another workspace, as its dialect does, and then nothing changed.
func TestWalkRefusals(t *testing.T) {
	w := newTown(t)
	for _, r := range unkeyRoutes() {
		v, ok := visits[r.Method+" "+r.Path]
		needs, _ := r.Needs.([]keys.Right)
		if !ok || len(needs) == 0 {
			t.Errorf("%s %s has no visit here, or needs no right", r.Method, r.Path)
			continue
		}
		answers := refusals[r.Dialect().Name]
		w.refused("nobody", r, v, "", answers.nobody)
		grants := grantsOf(needs)
		for i := range grants {
			without := slices.Delete(slices.Clone(grants), i, i+1)
			w.refused(fmt.Sprint("who lacks ", needs[i]), r, v, w.root(w.ws, without...), cmp.Or(v.masked, answers.missing))
		}
		if !v.own {
			absent := http.StatusNotFound
			if v.masked == http.StatusOK {
				absent = v.masked
			}
			w.refused("a stranger", r, v, w.stranger, absent)
		}
	}
}

// Each endpoint grants whoever has the rights in its row, over everything or over the one
// API, and no others. What a stranger does in a workspace of their own is not refused
// and tells nothing of this one.
func TestWalkGrants(t *testing.T) {
	for _, r := range unkeyRoutes() {
		t.Run(r.Method+r.Path, func(t *testing.T) { walkGranted(t, r) })
	}
}

func walkGranted(t *testing.T, r web.Route) {
	w := newTown(t)
	v := visits[r.Method+" "+r.Path]
	needs, _ := r.Needs.([]keys.Right)
	if v.own {
		_, body := w.ask(r, v, w.stranger)
		for _, id := range w.ids {
			if strings.Contains(body, id) {
				t.Errorf("it tells a stranger %s", id)
			}
		}
	}
	status, body := w.ask(r, v, w.root(w.ws, grantsOf(needs)...))
	if want := cmp.Or(v.answer, http.StatusOK); status != want && status != http.StatusAccepted {
		t.Errorf("with %v: %d, want %d\n%s", needs, status, want, body)
	}
}

var exchangeLine = regexp.MustCompile(`(?ms)^(GET|POST) (/v[12]/(?:<api \d+>|[^ ?\n])*)[^\n]*\n.*?^-> (\d+)$`)

// Each endpoint has a golden exchange in which it does what it is for, one in which its
// input is bad, and in v1 one in which the store is gone.
func TestEveryRouteIsGolden(t *testing.T) {
	seen := map[string]map[string]bool{}
	for _, file := range must(filepath.Glob("unkeyv?/testdata/*.golden")) {
		for _, m := range exchangeLine.FindAllStringSubmatch(string(must(os.ReadFile(file))), -1) {
			path := regexp.MustCompile(`<api \d+>`).ReplaceAllString(m[2], "{apiId}")
			name := m[1] + " " + path
			if seen[name] == nil {
				seen[name] = map[string]bool{}
			}
			seen[name][m[3]] = true
		}
	}
	for _, r := range serveUnkey(nil, nil).Routes() {
		name := r.Method + " " + r.Path
		want := []string{strconv.Itoa(cmp.Or(visits[name].answer, http.StatusOK)), "400"}
		if strings.HasSuffix(name, "/liveness") || strings.Contains(name, ".list") && r.Method == "GET" && r.Request == nil {
			want = want[:1]
		}
		if strings.HasPrefix(r.Path, "/v1/") && r.Path != "/v1/liveness" {
			want = append(want, "503")
		}
		for _, status := range want {
			if !seen[name][status] && !(status == "200" && seen[name]["202"]) {
				t.Errorf("no golden exchange shows %s answering %s", name, status)
			}
		}
	}
}
