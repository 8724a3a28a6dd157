package unkeyv1

import (
	"net/http"
	"strconv"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/catalog"
)

// migrationRoutes are those that take over keys that are in use elsewhere.
func (a *API) migrationRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		also(post("/v1/migrations.createKeys", "v1.migrations.createKeys", rights(keys.CreateKey),
			web.JSON(d, a.migrateKeys, schema.Check("maxItems=100"))), keys.EncryptKey),
		also(answering(post("/v1/migrations.enqueueKeys", "v1.migrations.enqueueKeys", rights(keys.CreateKey), web.JSON(d, a.enqueueKeys)),
			http.StatusAccepted), keys.EncryptKey),
	}
}

// migratedKey is what both endpoints take of a key.
type migratedKey struct {
	Prefix      string         `json:"prefix" check:"maxLen=8"`
	Name        string         `json:"name" bound:"maxBytes=MaxName"`
	Plaintext   *string        `json:"plaintext" check:"minLen=1,maxLen=512"`
	Hash        *migratedHash  `json:"hash"`
	Start       *string        `json:"start" bound:"maxBytes=MaxName"`
	OwnerID     string         `json:"ownerId" bound:"maxBytes=MaxExternalID"`
	Meta        schema.Object  `json:"meta" bound:"maxBytes=MaxMeta"`
	Roles       []string       `json:"roles" items:"minLen=1,maxLen=512" bound:"maxItems=MaxKeyRefs"`
	Permissions []string       `json:"permissions" items:"minLen=1,maxLen=512" bound:"maxItems=MaxKeyRefs"`
	Expires     *int64         `json:"expires" check:"nullable,min=1,max=253402300799999"`
	Remaining   *int64         `json:"remaining" check:"min=1"`
	Refill      *refillRequest `json:"refill"`
	Enabled     *bool          `json:"enabled"`
	Environment string         `json:"environment" check:"maxLen=256"`
}

type migratedHash struct {
	Value   string `json:"value" check:"required"`
	Variant string `json:"variant" check:"required,enum=sha256_base64"`
}

// migrateKeyRequest is an item of migrations.createKeys.
type migrateKeyRequest struct {
	APIID string `json:"apiId" check:"required"`
	migratedKey
	ExternalID string              `json:"externalId" bound:"maxBytes=MaxExternalID"`
	Ratelimit  *legacyLimitRequest `json:"ratelimit"`
}

// enqueuedKey is an item of migrations.enqueueKeys.
type enqueuedKey struct {
	migratedKey
	Ratelimit *limitRequest `json:"ratelimit"`
}

type enqueueKeysRequest struct {
	MigrationID string        `json:"migrationId" check:"required"`
	APIID       string        `json:"apiId" check:"required"`
	Keys        []enqueuedKey `json:"keys" check:"required,maxItems=100"`
}

type migrateKeysResponse struct {
	KeyIDs []string `json:"keyIds"`
}

func (a *API) migrateKeys(c *web.Call, in *[]migrateKeyRequest) (migrateKeysResponse, error) {
	drafts := make([]keys.ImportDraft, len(*in))
	for i := range *in {
		one := &(*in)[i]
		d, err := one.draft(a.keeps(c, one.APIID))
		if err == nil {
			d.APIID = one.APIID
			if one.ExternalID != "" {
				d.ExternalID = one.ExternalID
			}
			d.Limits, err = defaultLimits(one.Ratelimit.current())
		}
		if err != nil {
			return migrateKeysResponse{}, keys.Within(strconv.Itoa(i), err)
		}
		drafts[i] = d
	}
	ids, err := a.store.ImportKeys(c.Context(), access(c), drafts)
	return migrateKeysResponse{ids}, err
}

// enqueueKeys stores the keys before it answers. A hash that is there already is
// left as it is, so that a request can be repeated.
func (a *API) enqueueKeys(c *web.Call, in *enqueueKeysRequest) (empty, error) {
	drafts := make([]keys.ImportDraft, len(in.Keys))
	for i := range in.Keys {
		one := &in.Keys[i]
		d, err := one.draft(a.keeps(c, in.APIID))
		if err == nil {
			d.APIID = in.APIID
			d.Limits, err = defaultLimits(one.Ratelimit)
		}
		if err != nil {
			return empty{}, keys.Within("keys."+strconv.Itoa(i), err)
		}
		drafts[i] = d
	}
	if _, err := a.store.API(c.Context(), access(c), in.APIID); err != nil {
		return empty{}, err
	}
	if len(drafts) == 0 {
		return empty{}, accepted(c)
	}
	if _, err := a.store.ImportNewKeys(c.Context(), access(c), drafts); err != nil {
		return empty{}, err
	}
	return empty{}, accepted(c)
}

func accepted(c *web.Call) error {
	c.SetStatus(http.StatusAccepted)
	return nil
}

// keeps reports whether a plaintext that is sent along is kept, sealed: where the server
// has a keyset and the caller has the right to. Otherwise the hash of it is, as of a
// key that comes with its hash: whoever may make keys need not be able to have them read.
func (a *API) keeps(c *web.Call, apiID string) bool {
	return a.store.Seals() && access(c).Can(keys.EncryptKey, apiID)
}

// draft is the key that an item describes, without its API and limits. keep is for
// its plaintext.
func (in *migratedKey) draft(keep bool) (d keys.ImportDraft, err error) {
	d.Name, d.ExternalID, d.Meta, d.Environment, d.Prefix = in.Name, in.OwnerID, in.Meta, in.Environment, in.Prefix
	if err := keys.CheckExternalID("ownerId", in.OwnerID); err != nil {
		return d, err
	}
	d.Roles, d.Permissions = keys.Named(in.Roles, catalog.Demand), keys.Named(in.Permissions, catalog.Demand)
	d.Remaining, d.Disabled = in.Remaining, in.Enabled != nil && !*in.Enabled
	if in.Expires != nil {
		d.Expires = *in.Expires
	}
	if d.Refill, err = in.Refill.schedule(); err != nil {
		return d, err
	}
	return d, in.identify(&d, keep)
}

// identify says which key it is: by its plaintext or by the hash of it.
func (in *migratedKey) identify(d *keys.ImportDraft, keep bool) (err error) {
	if in.Hash != nil {
		if d.Digest, err = keys.ParseDigest(in.Hash.Value); err != nil {
			return keys.Invalidf("hash.value", "%s", err)
		}
	}
	if in.Plaintext != nil {
		d.Secret, d.Recoverable = keys.NewSecret(*in.Plaintext), keep
		d.Start = d.Secret.Head()
	}
	switch {
	case in.Hash == nil && in.Plaintext == nil:
		return keys.Invalidf("hash", "needs a hash or the plaintext")
	case in.Hash != nil && in.Plaintext != nil && !d.Digest.Equal(d.Secret.Digest()):
		return keys.Invalidf("hash", "is not that of the plaintext")
	}
	if in.Start != nil {
		d.Start = *in.Start
	}
	return nil
}
