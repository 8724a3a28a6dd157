package unkeyv2

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/refill"
)

type createKeyRequest struct {
	APIID       string          `json:"apiId" check:"required,minLen=3,maxLen=255" pattern:"^[a-zA-Z0-9_]+$"`
	Prefix      string          `json:"prefix" check:"minLen=1,maxLen=16" pattern:"^[a-zA-Z0-9_]+$"`
	Name        string          `json:"name" check:"minLen=1,maxLen=255"`
	ByteLength  *int64          `json:"byteLength" check:"min=16,max=255"`
	ExternalID  string          `json:"externalId" check:"minLen=1,maxLen=255" pattern:"^[a-zA-Z0-9_.-]+$"`
	Meta        schema.Object   `json:"meta" check:"maxProps=100" bound:"maxBytes=MaxMeta"`
	Roles       []string        `json:"roles" check:"maxItems=100" items:"minLen=1,maxLen=128"`
	Permissions []string        `json:"permissions" check:"maxItems=1000" items:"minLen=1,maxLen=128" itemsPattern:"^[a-zA-Z0-9_:\\-\\.\\*]+$"`
	Expires     *int64          `json:"expires" check:"nullable,min=1,max=4102444800000"`
	Credits     *creditsRequest `json:"credits"`
	Ratelimits  []limitRequest  `json:"ratelimits" check:"maxItems=50"`
	Enabled     bool            `json:"enabled" check:"default=true"`
	Recoverable bool            `json:"recoverable"`
}

// draft is the key that the request describes. Unknown permissions are made, which
// takes no right of its own here.
func (in *createKeyRequest) draft() (keys.KeyDraft, error) {
	d := keys.KeyDraft{
		APIID: in.APIID, Prefix: in.Prefix, Name: in.Name, ExternalID: in.ExternalID, Meta: in.Meta,
		Roles: keys.Named(in.Roles, catalog.Refuse), Permissions: keys.Named(in.Permissions, catalog.CreateFreely),
		Expires: orNever(in.Expires), Limits: keyLimits(in.Ratelimits), Disabled: !in.Enabled, Recoverable: in.Recoverable,
	}
	if in.ByteLength != nil {
		d.SecretBytes = int(*in.ByteLength)
	}
	return d, in.Credits.fill(&d)
}

type newKeyResponse struct {
	Key   string `json:"key"`
	KeyID string `json:"keyId"`
}

func (a *API) createKey(c *web.Call, in *createKeyRequest) (newKeyResponse, error) {
	draft, err := in.draft()
	if err != nil {
		return newKeyResponse{}, err
	}
	made, err := a.store.CreateKey(c.Context(), access(c), draft)
	return newKeyResponse{made.Secret.Reveal(), made.ID}, maskedOf(c, in.APIID, err)
}

// keyID names a key.
type keyID struct {
	KeyID string `json:"keyId" check:"required,minLen=3,maxLen=255" pattern:"^[a-zA-Z0-9_]+$"`
}

type getKeyRequest struct {
	keyID
	Decrypt bool `json:"decrypt"`
}

func (a *API) getKey(c *web.Call, in *getKeyRequest) (keyResponse, error) {
	details, err := a.store.Key(c.Context(), access(c), in.KeyID, in.Decrypt)
	if err != nil {
		return keyResponse{}, err
	}
	return a.one(c.Context(), details)
}

type whoamiRequest struct {
	Key string `json:"key" check:"required,minLen=1,maxLen=512"`
}

func (a *API) whoami(c *web.Call, in *whoamiRequest) (keyResponse, error) {
	details, err := a.store.KeyBySecret(c.Context(), access(c), keys.NewSecret(in.Key))
	if err != nil {
		return keyResponse{}, masked(err, keys.SecretNotFound())
	}
	return a.one(c.Context(), details)
}

type updateKeyRequest struct {
	keyID
	Name        schema.Maybe[string]        `json:"name" check:"minLen=1,maxLen=255"`
	ExternalID  schema.Maybe[string]        `json:"externalId" check:"minLen=1,maxLen=255" pattern:"^[a-zA-Z0-9_.-]+$"`
	Meta        schema.Maybe[schema.Object] `json:"meta" check:"maxProps=100" bound:"maxBytes=MaxMeta"`
	Expires     schema.Maybe[int64]         `json:"expires" check:"min=1,max=4102444800000"`
	Credits     schema.Maybe[creditsChange] `json:"credits"`
	Ratelimits  *[]limitRequest             `json:"ratelimits" check:"maxItems=50"`
	Enabled     *bool                       `json:"enabled"`
	Roles       *[]string                   `json:"roles" check:"maxItems=100" items:"minLen=1,maxLen=128"`
	Permissions *[]string                   `json:"permissions" check:"maxItems=1000" items:"minLen=1,maxLen=128" itemsPattern:"^[a-zA-Z0-9_:\\-\\.\\*]+$"`
}

// creditsChange says what becomes of a balance: null for remaining is unlimited,
// null for refill ends the refill.
type creditsChange struct {
	Remaining schema.Maybe[int64]         `json:"remaining" check:"min=0"`
	Refill    schema.Maybe[refillRequest] `json:"refill"`
}

// patch is the change that the request describes. What it does not name stays.
func (in *updateKeyRequest) patch() (keys.KeyPatch, error) {
	p := keys.KeyPatch{
		Name: change(in.Name), ExternalID: change(in.ExternalID), Expires: change(in.Expires),
		Meta: keys.Change[[]byte]{Set: in.Meta.Set, Value: (*[]byte)(in.Meta.Pointer())},
	}
	if in.Enabled != nil {
		p.Disabled = keys.To(!*in.Enabled)
	}
	if in.Ratelimits != nil {
		p.Limits = keys.Change[[]ratelimit.Limit]{Set: true, Value: new([]ratelimit.Limit)}
		*p.Limits.Value = keyLimits(*in.Ratelimits)
	}
	if in.Roles != nil {
		p.Roles = keys.To(keys.Named(*in.Roles, catalog.Refuse))
	}
	if in.Permissions != nil {
		p.Permissions = keys.To(keys.Named(*in.Permissions, catalog.CreateFreely))
	}
	return p, in.patchCredits(&p)
}

func (in *updateKeyRequest) patchCredits(p *keys.KeyPatch) error {
	if in.Credits.Null {
		p.Remaining = keys.Cleared[int64]()
		return nil
	}
	credits := in.Credits.Value
	p.Remaining = change(credits.Remaining)
	r := credits.Refill.Pointer()
	if r != nil && r.Interval == "daily" && r.Day != nil {
		return keys.Invalidf("credits.refill.refillDay", "a daily refill has no day: leave it out, or make the interval monthly")
	}
	schedule, err := r.schedule()
	p.Refill = keys.Change[refill.Schedule]{Set: credits.Refill.Set, Value: schedule}
	return err
}

func (a *API) updateKey(c *web.Call, in *updateKeyRequest) (empty, error) {
	patch, err := in.patch()
	if err != nil {
		return empty{}, err
	}
	return empty{}, a.store.UpdateKey(c.Context(), access(c), in.KeyID, patch)
}

type updateCreditsRequest struct {
	KeyID     string              `json:"keyId" check:"required,minLen=3"`
	Value     schema.Maybe[int64] `json:"value" check:"min=0"`
	Operation string              `json:"operation" check:"required,enum=set|increment|decrement"`
}

func (a *API) updateCredits(c *web.Call, in *updateCreditsRequest) (creditsResponse, error) {
	remaining, schedule, err := a.store.UpdateCredits(c.Context(), access(c), in.KeyID, keys.CreditsOperation(in.Operation), in.Value.Pointer())
	return creditsResponse{refillOf(schedule), remaining}, err
}

type deleteKeyRequest struct {
	keyID
	Permanent bool `json:"permanent"`
}

func (a *API) deleteKey(c *web.Call, in *deleteKeyRequest) (empty, error) {
	return empty{}, a.store.DeleteKey(c.Context(), access(c), in.KeyID, in.Permanent)
}

type rerollKeyRequest struct {
	keyID
	Expiration int64 `json:"expiration" check:"required,min=0,max=4102444800000"`
}

func (a *API) rerollKey(c *web.Call, in *rerollKeyRequest) (newKeyResponse, error) {
	once, err := idempotencyKeyOf(c)
	if err != nil {
		return newKeyResponse{}, err
	}
	made, err := a.store.RerollKey(c.Context(), access(c), in.KeyID, store.Reroll{Grace: in.Expiration, IdempotencyKey: once})
	return newKeyResponse{made.Secret.Reveal(), made.ID}, err
}

// idempotencyKeyOf is the Idempotency-Key of a request; "" for none.
func idempotencyKeyOf(c *web.Call) (string, error) {
	sent := c.HeaderLines(idempotencyKey)
	switch {
	case len(sent) == 0:
		return "", nil
	case len(sent) > 1:
		return "", &refusal{invalid, "Idempotency-Key was sent more than once", []flaw{{"header." + idempotencyKey, "sent more than once", ""}}}
	}
	err := keys.AsError(keys.CheckIdempotencyKey(sent[0]))
	if err == nil {
		return sent[0], nil
	}
	return "", &refusal{invalid, err.Error(), []flaw{{"header." + idempotencyKey, err.Message, ""}}}
}
