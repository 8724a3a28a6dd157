package audit

import (
	"bytes"
	"encoding/json"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/ratelimit"
)

// The views are what is shown of things, in the names of the second API generation. What is
// no member of a view is in no entry: digests, plaintexts, sealed plaintexts.

type apiView struct {
	AllowedIPs []string `json:"allowedIps,omitempty"`
	Name       string   `json:"name"`
	Protected  bool     `json:"deleteProtection,omitempty"`
}

type permissionView struct {
	Description string `json:"description,omitempty"`
	Name        string `json:"name"`
	Slug        string `json:"slug"`
}

type roleView struct {
	Description string   `json:"description,omitempty"`
	Name        string   `json:"name"`
	Permissions []string `json:"permissions,omitempty"` // ids
}

type identityView struct {
	ExternalID string          `json:"externalId"`
	Meta       json.RawMessage `json:"meta,omitempty"`
	Limits     []limitView     `json:"ratelimits,omitempty"`
}

type limitView struct {
	AutoApply bool   `json:"autoApply"`
	Duration  int64  `json:"duration"` // ms
	ID        string `json:"id,omitempty"`
	Limit     int64  `json:"limit"`
	Name      string `json:"name"`
}

type namespaceView struct {
	Name string `json:"name"`
}

type overrideView struct {
	Duration   int64  `json:"duration"` // ms
	Identifier string `json:"identifier"`
	Limit      int64  `json:"limit"`
	Namespace  string `json:"namespaceId"`
}

type groupView struct {
	Name string `json:"name"`
}

type migrationView struct {
	Algorithm string `json:"algorithm"`
}

type keyView struct {
	APIID       string          `json:"apiId,omitempty"`
	Credits     *creditsView    `json:"credits,omitempty"`
	Enabled     bool            `json:"enabled"`
	Environment string          `json:"environment,omitempty"`
	Expires     int64           `json:"expires,omitempty"` // unix ms
	IdentityID  string          `json:"identityId,omitempty"`
	Meta        json.RawMessage `json:"meta,omitempty"`
	Name        string          `json:"name,omitempty"`
	Permissions []string        `json:"permissions,omitempty"` // ids
	Limits      []limitView     `json:"ratelimits,omitempty"`
	Recoverable bool            `json:"recoverable,omitempty"`
	Rights      []string        `json:"rights,omitempty"` // of a root key
	Roles       []string        `json:"roles,omitempty"`  // ids
	Setup       *setupView      `json:"setup,omitempty"`
	Start       string          `json:"start,omitempty"`
}

type creditsView struct {
	Refill    *refillView `json:"refill,omitempty"`
	Remaining *int64      `json:"remaining,omitempty"` // where the change is about it
}

type refillView struct {
	Amount int64 `json:"amount"`
	Day    int   `json:"refillDay,omitempty"`
}

type setupView struct {
	Groups     []string `json:"auto_groups,omitempty"` // ids
	Ephemeral  bool     `json:"ephemeral,omitempty"`
	ExtraDNS   bool     `json:"allow_extra_dns_labels,omitempty"`
	Reusable   bool     `json:"reusable,omitempty"`
	UsageLimit int64    `json:"usage_limit,omitempty"`
}

func limitViews(all []ratelimit.Limit) []limitView {
	var views []limitView
	for _, l := range all {
		views = append(views, limitView{l.AutoApply, l.Duration, l.ID, l.Limit, l.Name})
	}
	return views
}

// metaView is metadata as it may stand within JSON.
func metaView(meta []byte) json.RawMessage {
	if !json.Valid(meta) {
		return nil
	}
	return meta
}

// viewOfKey shows a key; left is its balance, nil where the change is not about it.
func viewOfKey(k *keys.Key, left *int64) keyView {
	v := keyView{
		APIID: k.APIID, Enabled: !k.Disabled, Environment: k.Environment, Expires: k.Expires, IdentityID: k.IdentityID, Meta: metaView(k.Meta), Name: k.Name,
		Permissions: k.Permissions, Limits: limitViews(k.Limits), Recoverable: len(k.Sealed) > 0, Roles: k.Roles, Start: k.Start,
	}
	if k.HasCredits {
		v.Credits = &creditsView{Remaining: left}
		if k.Refill != nil {
			v.Credits.Refill = &refillView{k.Refill.Amount, k.Refill.Day}
		}
	}
	if k.Root != nil {
		v.Rights = k.Root.Grants
	}
	if s := k.Setup; s != nil {
		v.APIID, v.Credits = "", nil
		v.Setup = &setupView{s.Groups, s.Ephemeral, s.ExtraDNSLabels, s.Reusable, s.UsageLimit}
	}
	return v
}

// kindOf is the type of a key as a resource.
func kindOf(k *keys.Key) string {
	switch {
	case k.Root != nil:
		return "root_key"
	case k.Setup != nil:
		return "setup_key"
	}
	return "key"
}

// difference returns the members of two views that differ, as JSON. One of them may be nil:
// then the other is whole.
func difference(before, after any) (one, other json.RawMessage) {
	if before == nil || after == nil {
		return encoded(before), encoded(after)
	}
	was, is := members(before), members(after)
	for name, value := range was {
		if bytes.Equal(value, is[name]) {
			delete(was, name)
			delete(is, name)
		}
	}
	if len(was) == 0 && len(is) == 0 {
		return nil, nil
	}
	return encoded(was), encoded(is)
}

func encoded(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	return json.RawMessage(marshal(v))
}

func members(v any) map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	_ = json.Unmarshal([]byte(marshal(v)), &all) // a view is an object
	return all
}

// view is how a stored definition of a kind is shown: its name, and a view.
var definitionViews = map[layout.Kind]func(stored string) (name string, view any){
	layout.KindAPI:        viewOf(func(d *keys.API) (string, any) { return d.Name, apiView{d.AllowedIPs, d.Name, d.Protected} }),
	layout.KindPermission: viewOf(func(d *keys.Permission) (string, any) { return d.Slug, permissionView{d.Description, d.Name, d.Slug} }),
	layout.KindRole:       viewOf(func(d *keys.Role) (string, any) { return d.Name, roleView{d.Description, d.Name, d.Permissions} }),
	layout.KindIdentity: viewOf(func(d *keys.Identity) (string, any) {
		return d.ExternalID, identityView{d.ExternalID, metaView(d.Meta), limitViews(d.Limits)}
	}),
	layout.KindNamespace: viewOf(func(d *keys.Namespace) (string, any) { return d.Name, namespaceView{d.Name} }),
	layout.KindGroup:     viewOf(func(d *group) (string, any) { return d.Name, groupView{d.Name} }),
	layout.KindMigration: viewOf(func(d *keys.Migration) (string, any) { return d.ID, migrationView{d.Algorithm} }),
}

// group is what is shown of a group as package setupkeys stores it.
type group struct {
	Name string `cbor:"2,keyasint"`
}

// viewOf shows nothing of what can't be read, or was deleted.
func viewOf[T any](show func(*T) (string, any)) func(string) (string, any) {
	return func(stored string) (string, any) {
		d, err := layout.DecodeDefinition[T](stored)
		if err != nil || d == nil {
			return "", nil
		}
		return show(d)
	}
}
