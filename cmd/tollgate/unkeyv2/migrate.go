package unkeyv2

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/catalog"
)

type migrateKeysRequest struct {
	MigrationID string        `json:"migrationId" check:"required,minLen=3,maxLen=255"`
	APIID       string        `json:"apiId" check:"required,minLen=3,maxLen=255"`
	Keys        []migratedKey `json:"keys" check:"required,minItems=1"`
}

type migratedKey struct {
	Hash        string          `json:"hash" check:"required,minLen=3"`
	Name        string          `json:"name" check:"minLen=1,maxLen=255"`
	ExternalID  string          `json:"externalId" check:"minLen=1,maxLen=255"`
	Meta        schema.Object   `json:"meta" check:"maxProps=100" bound:"maxBytes=MaxMeta"`
	Roles       []string        `json:"roles" check:"maxItems=100" items:"minLen=1,maxLen=128"`
	Permissions []string        `json:"permissions" check:"maxItems=1000" items:"minLen=1,maxLen=128" itemsPattern:"^[a-zA-Z0-9_:\\-\\.\\*]+$"`
	Expires     *int64          `json:"expires" check:"nullable,min=1,max=4102444800000"`
	Enabled     bool            `json:"enabled" check:"default=true"`
	Credits     *creditsRequest `json:"credits"`
	Ratelimits  []limitRequest  `json:"ratelimits" check:"maxItems=50"`
}

// draft is the key that the item describes.
func (in *migratedKey) draft(apiID string) (keys.MigrationDraft, error) {
	d := keys.MigrationDraft{Hash: in.Hash, KeyDraft: keys.KeyDraft{
		APIID: apiID, Name: in.Name, ExternalID: in.ExternalID, Meta: in.Meta,
		Roles: keys.Named(in.Roles, catalog.Refuse), Permissions: keys.Named(in.Permissions, catalog.CreateFreely),
		Expires: orNever(in.Expires), Limits: keyLimits(in.Ratelimits), Disabled: !in.Enabled,
	}}
	return d, in.Credits.fill(&d.KeyDraft)
}

type migrateKeysResponse struct {
	Failed   []string         `json:"failed"`
	Migrated []migratedAnswer `json:"migrated"`
}

type migratedAnswer struct {
	Hash  string `json:"hash"`
	KeyID string `json:"keyId"`
}

// migrateKeys stores what is new; a hash that is there already is told as failed.
func (a *API) migrateKeys(c *web.Call, in *migrateKeysRequest) (migrateKeysResponse, error) {
	out := migrateKeysResponse{[]string{}, []migratedAnswer{}}
	drafts := make([]keys.MigrationDraft, len(in.Keys))
	for i := range in.Keys {
		var err error
		if drafts[i], err = in.Keys[i].draft(in.APIID); err != nil {
			return out, err
		}
	}
	ids, err := a.store.MigrateKeys(c.Context(), access(c), in.MigrationID, drafts)
	if err != nil {
		return out, err
	}
	for i, id := range ids {
		if id == "" {
			out.Failed = append(out.Failed, in.Keys[i].Hash)
		} else {
			out.Migrated = append(out.Migrated, migratedAnswer{in.Keys[i].Hash, id})
		}
	}
	return out, nil
}
