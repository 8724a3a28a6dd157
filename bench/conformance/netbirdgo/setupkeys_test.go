package netbirdgo

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/bench/conformance/suite"

	"github.com/netbirdio/netbird/shared/management/client/rest"
	"github.com/netbirdio/netbird/shared/management/http/api"
)

var (
	xidForm = regexp.MustCompile(`^[0-9a-v]{20}$`)
	keyForm = regexp.MustCompile(`^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$`)
)

func group(t *testing.T, name string) string {
	t.Helper()
	return must[*api.Group](t)(newClient().Groups.Create(ctx, api.PostApiGroupsJSONRequestBody{Name: t.Name() + name})).Id
}

// The client's five methods, each on another gateway than the one before.
func TestSetupKeyRoundTrip(t *testing.T) {
	clients := []*rest.Client{newClient(), rest.NewWithBearerToken(suite.Server.URLs[1], token), rest.New(suite.Server.URLs[2], token)}
	b, a := group(t, "b"), group(t, "a")
	yes := true
	made := must[*api.SetupKeyClear](t)(clients[0].SetupKeys.Create(ctx, api.PostApiSetupKeysJSONRequestBody{
		Name: "laptops", Type: "reusable", ExpiresIn: 1800, AutoGroups: []string{b, a}, UsageLimit: 3, Ephemeral: &yes, AllowExtraDnsLabels: &yes,
	}))
	if !xidForm.MatchString(made.Id) || !keyForm.MatchString(made.Key) || made.Expires.Sub(made.UpdatedAt) != 1800*time.Second ||
		!made.Valid || made.State != "valid" || !made.Ephemeral || !made.AllowExtraDnsLabels || made.UsageLimit != 3 || !made.LastUsed.IsZero() {
		t.Errorf("%+v", made)
	}
	read := must[*api.SetupKey](t)(clients[1].SetupKeys.Get(ctx, made.Id))
	if read.Key != made.Key[:5]+"****" || !read.Expires.Equal(made.Expires) || !read.UpdatedAt.Equal(made.UpdatedAt) || !slices.Equal(read.AutoGroups, []string{b, a}) {
		t.Errorf("%+v", read)
	}
	updated := must[*api.SetupKey](t)(clients[2].SetupKeys.Update(ctx, made.Id, api.PutApiSetupKeysKeyIdJSONRequestBody{AutoGroups: []string{a}, Revoked: true}))
	if updated.State != "revoked" || updated.Valid || !updated.Revoked || !slices.Equal(updated.AutoGroups, []string{a}) || updated.Name != "laptops" {
		t.Errorf("%+v", updated)
	}
	listed := must[[]api.SetupKey](t)(clients[0].SetupKeys.List(ctx))
	if !slices.ContainsFunc(listed, func(k api.SetupKey) bool { return k.Id == made.Id && k.State == "revoked" && k.Key == read.Key }) {
		t.Errorf("%+v", listed)
	}
	if err := clients[1].SetupKeys.Delete(ctx, made.Id); err != nil {
		t.Error(err)
	}
	_, err := clients[2].SetupKeys.Get(ctx, made.Id)
	refused(t, err, 404, "setup key: "+made.Id+" not found")
}

// An empty list is a list.
func TestEmptyList(t *testing.T) {
	for _, k := range must[[]api.SetupKey](t)(newClient().SetupKeys.List(ctx)) {
		if err := newClient().SetupKeys.Delete(ctx, k.Id); err != nil {
			t.Fatal(err)
		}
	}
	if listed := must[[]api.SetupKey](t)(newClient().SetupKeys.List(ctx)); listed == nil || len(listed) != 0 {
		t.Errorf("%#v", listed)
	}
}

// The client makes its own errors of ours, each with the status and the words.
func TestErrorsAsTheClientReadsThem(t *testing.T) {
	c := newClient()
	create := func(r api.PostApiSetupKeysJSONRequestBody) error { _, err := c.SetupKeys.Create(ctx, r); return err }
	_, err := c.SetupKeys.Get(ctx, "NoSuchKey")
	refused(t, err, 404, "setup key: nosuchkey not found")
	_, err = c.SetupKeys.Update(ctx, "NoSuchKey", api.PutApiSetupKeysKeyIdJSONRequestBody{AutoGroups: []string{}})
	refused(t, err, 404, "setup key: nosuchkey not found")
	refused(t, c.SetupKeys.Delete(ctx, "NoSuchKey"), 404, "setup key: nosuchkey not found")
	_, err = c.SetupKeys.Update(ctx, "NoSuchKey", api.PutApiSetupKeysKeyIdJSONRequestBody{})
	refused(t, err, 422, "setup key autogroups field is invalid")
	refused(t, create(api.PostApiSetupKeysJSONRequestBody{}), 422, "setup key name shouldn't be empty")
	refused(t, create(api.PostApiSetupKeysJSONRequestBody{Name: "n", Type: "one-off", UsageLimit: 5}), 422,
		"usage_limit 5 is not valid for a one-off setup key, which can be used once; use type reusable for a key that can be used more than once")
	refused(t, create(api.PostApiSetupKeysJSONRequestBody{Name: "n", Type: "one-off", ExpiresIn: -3600}), 422, "expiresin can not be in the past")
	refused(t, create(api.PostApiSetupKeysJSONRequestBody{Name: "n", Type: "reusable", AutoGroups: []string{"nosuchgroup"}}), 422, "invalid auto groups: group not found: nosuchgroup")

	_, err = rest.New(suite.Server.URLs[0], "nbp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA0uCPlr").SetupKeys.List(ctx)
	refused(t, err, 401, "token invalid")
	_, err = rest.New(suite.Server.URLs[0], "nbp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA0uCPls").SetupKeys.List(ctx)
	refused(t, err, 401, "token invalid")
	_, err = rest.NewWithOptions(rest.WithManagementURL(suite.Server.URLs[0]), rest.WithAuthHeader("Basic eA==")).SetupKeys.List(ctx)
	refused(t, err, 401, "no valid authentication provided")

	_, err = c.Peers.List(ctx) // of which there is nothing here
	if !rest.IsNotFound(err) {
		t.Errorf("a path that is not served: %v", err)
	}
	_, err = c.NewRequest(ctx, http.MethodPatch, "/api/setup-keys", nil, nil)
	if e := (*rest.APIError)(nil); !errors.As(err, &e) || e.StatusCode != 405 || e.Message == "" {
		t.Errorf("a method that is not served: %#v", err)
	}
	_, err = c.NewRequest(ctx, http.MethodPost, "/api/setup-keys", strings.NewReader(strings.Repeat(" ", 2<<20)), nil)
	if e := (*rest.APIError)(nil); !errors.As(err, &e) || e.StatusCode != 413 || e.Message == "" {
		t.Errorf("a body that is too large: %#v", err)
	}
}

// What the client has for groups.
func TestGroups(t *testing.T) {
	c := newClient()
	name := t.Name()
	made := must[*api.Group](t)(c.Groups.Create(ctx, api.PostApiGroupsJSONRequestBody{Name: name}))
	if !xidForm.MatchString(made.Id) || made.Name != name || made.PeersCount != 0 || made.ResourcesCount != 0 || made.Issued == nil || *made.Issued != "api" ||
		made.Peers == nil || made.Resources == nil {
		t.Errorf("%+v", made)
	}
	if got := must[*api.Group](t)(c.Groups.Get(ctx, made.Id)); got.Name != name {
		t.Errorf("%+v", got)
	}
	if got := must[*api.Group](t)(c.Groups.GetByName(ctx, name)); got.Id != made.Id {
		t.Errorf("%+v", got)
	}
	all := must[*api.Group](t)(c.Groups.GetByName(ctx, "All"))
	_, err := c.Groups.GetByName(ctx, "Nobody")
	refused(t, err, 404, "group: nobody not found")
	if got := must[*api.Group](t)(c.Groups.Update(ctx, made.Id, api.PutApiGroupsGroupIdJSONRequestBody{Name: name + "2", Peers: &[]string{}})); got.Name != name+"2" {
		t.Errorf("%+v", got)
	}
	listed := must[[]api.Group](t)(c.Groups.List(ctx))
	if listed[0].Id != all.Id || listed[0].Name != "All" || !slices.ContainsFunc(listed, func(g api.Group) bool { return g.Id == made.Id }) {
		t.Errorf("%+v", listed)
	}
	key := must[*api.SetupKeyClear](t)(c.SetupKeys.Create(ctx, api.PostApiSetupKeysJSONRequestBody{Name: "Holder", Type: "one-off", AutoGroups: []string{made.Id}}))
	refused(t, c.Groups.Delete(ctx, made.Id), 400, "group has been linked to setup key: holder")
	must[*api.SetupKey](t)(c.SetupKeys.Update(ctx, key.Id, api.PutApiSetupKeysKeyIdJSONRequestBody{AutoGroups: []string{made.Id}, Revoked: true}))
	if err := c.Groups.Delete(ctx, made.Id); err != nil {
		t.Error(err)
	}
	if got := must[*api.SetupKey](t)(c.SetupKeys.Get(ctx, key.Id)); len(got.AutoGroups) != 0 {
		t.Errorf("%+v", got)
	}
}

// The create shapes of the dashboard and of the Terraform provider, which the client's types cannot
// say, read back by the client.
func TestOtherClientsShapes(t *testing.T) {
	for _, row := range []struct {
		body  string
		limit int
	}{
		{`{"name":"dashboard","type":"reusable","expires_in":0,"revoked":false,"auto_groups":[],"usage_limit":null,"ephemeral":false,"allow_extra_dns_labels":false}`, 0},
		{`{"name":"dashboard","type":"one-off","expires_in":604800,"revoked":false,"auto_groups":[],"usage_limit":1,"ephemeral":true,"allow_extra_dns_labels":true}`, 1},
		{`{"allow_extra_dns_labels":false,"auto_groups":[],"ephemeral":false,"expires_in":1800,"name":"terraform","type":"reusable","usage_limit":0}`, 0},
		{`{"name":"unknown fields","type":"reusable","expires_in":0,"auto_groups":null,"usage_limit":2,"created_at":"now","x":[{}]}`, 2},
	} {
		status, made := raw(t, 0, http.MethodPost, "/api/setup-keys", row.body)
		id, _ := made["id"].(string)
		if status != 200 || id == "" {
			t.Errorf("%s: %d %v", row.body, status, made)
			continue
		}
		read := must[*api.SetupKey](t)(newClient().SetupKeys.Get(ctx, id))
		if read.UsageLimit != row.limit || read.Revoked || read.AutoGroups == nil {
			t.Errorf("%s: %+v", row.body, read)
		}
		status, updated := raw(t, 1, http.MethodPut, "/api/setup-keys/"+id, `{"name":"other","type":"reusable","revoked":true,"auto_groups":[],"usage_limit":null,"ephemeral":false,"allow_extra_dns_labels":false}`)
		if status != 200 || updated["state"] != "revoked" || updated["name"] == "other" {
			t.Errorf("%d %v", status, updated)
		}
		if status, gone := raw(t, 2, http.MethodDelete, "/api/setup-keys/"+id, `""`); status != 200 || len(gone) != 0 {
			t.Errorf("%d %v", status, gone)
		}
	}
}

// Three processes, 20 peers at once, a limit of 5: exactly 5 enrol, and everyone who asks again is
// told the same.
func TestRedemptionStorm(t *testing.T) {
	c := newClient()
	for round := range 10 {
		key := must[*api.SetupKeyClear](t)(c.SetupKeys.Create(ctx, api.PostApiSetupKeysJSONRequestBody{Name: "storm", Type: "reusable", UsageLimit: 5}))
		redeem := func(gateway, peer int) (int, string) {
			status, told := 503, map[string]any(nil)
			for tries := 0; status == 503 && tries < 20; tries++ { // the machine is busy: ask again
				status, told = raw(t, gateway, http.MethodPost, "/api/setup-keys/redeem", fmt.Sprintf(`{"key":%q,"peer":"peer %d of round %d"}`, strings.ToLower(key.Key), peer, round))
			}
			return status, fmt.Sprint(told)
		}
		var passed, refused atomic.Int64
		var all sync.WaitGroup
		for peer := range 20 {
			all.Go(func() {
				status, told := redeem(peer, peer)
				again, toldAgain := redeem(peer+1, peer)
				switch {
				case status == 200 && again == 200 && told == toldAgain:
					passed.Add(1)
				case status == 404 && again == 404:
					refused.Add(1)
				default:
					t.Errorf("%d %s, then %d %s", status, told, again, toldAgain)
				}
			})
		}
		all.Wait()
		read := must[*api.SetupKey](t)(c.SetupKeys.Get(ctx, key.Id))
		if passed.Load() != 5 || refused.Load() != 15 || read.UsedTimes != 5 || read.State != "overused" || read.LastUsed.IsZero() || !read.UpdatedAt.Equal(key.UpdatedAt) {
			t.Fatalf("round %d: %d passed, %d refused, %+v", round, passed.Load(), refused.Load(), read)
		}
	}
}
