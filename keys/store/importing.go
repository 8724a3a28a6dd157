package store

import (
	"context"
	"slices"
	"strconv"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"

	"github.com/redis/go-redis/v9"
)

// ImportKeys stores keys that are in use already; to keep a plaintext takes EncryptKey. It
// does so in a number of round trips that
// does not depend on how many they are, and gives their ids. Where the digest of
// one is taken it stores none and is KindConflict. A name that is missing is not
// found or made as the drafts' references say, once for all of them.
func (s *Store) ImportKeys(ctx context.Context, a keys.Access, drafts []keys.ImportDraft) (all []string, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.ImportKeys)
	defer end(&err)
	made, err := s.importKeys(ctx, a, drafts)
	if err != nil {
		return nil, err
	}
	if len(distinctDigests(made)) < len(made) {
		return nil, keys.Errorf(keys.KindConflict, "key", "two of the keys have the same hash")
	}
	taken, err := s.Insert(ctx, made)
	if err != nil {
		return nil, err
	}
	if len(taken) > 0 {
		return nil, keys.Errorf(keys.KindConflict, "key", "a key with the hash of number %d exists already", taken[0])
	}
	ids := make([]string, len(made))
	for i, m := range made {
		ids[i] = m.Key.ID
	}
	audit.Count(ctx, "keys", int64(len(ids)))
	return ids, nil
}

// ImportNewKeys is ImportKeys that leaves out keys whose digest is taken: their id
// is "". So it can be repeated.
func (s *Store) ImportNewKeys(ctx context.Context, a keys.Access, drafts []keys.ImportDraft) (all []string, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.ImportKeys)
	defer end(&err)
	made, err := s.importKeys(ctx, a, drafts)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(made))
	err = catalog.Retry(func() (bool, error) {
		fresh, err := s.fresh(ctx, made)
		if err != nil {
			return false, err
		}
		part := make([]*NewRecord, len(fresh))
		for i, at := range fresh {
			part[i] = made[at]
		}
		taken, err := s.Insert(ctx, part)
		if err != nil {
			return false, err
		}
		if len(taken) == 0 {
			for _, at := range fresh {
				ids[at] = made[at].Key.ID
			}
			audit.Count(ctx, "keys", int64(len(fresh)))
			all = ids
			return true, nil
		}
		return false, nil
	})
	return all, err
}

// distinctDigests returns the places in made of the first key of each digest.
func distinctDigests(made []*NewRecord) []int {
	var first []int
	seen := map[keys.Digest]bool{}
	for i, m := range made {
		if !seen[m.Key.Digest] {
			seen[m.Key.Digest] = true
			first = append(first, i)
		}
	}
	return first
}

// fresh returns the places in made of keys whose digest nobody has.
func (s *Records) fresh(ctx context.Context, made []*NewRecord) ([]int, error) {
	first := distinctDigests(made)
	there := make([]*redis.IntCmd, len(first))
	err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, at := range first {
			place := layout.PlaceOf(made[at].Key.Digest)
			there[i] = p.Exists(ctx, place.Record(), place.Tombstone())
		}
	})
	var fresh []int
	for i, at := range first {
		if there[i].Val() == 0 {
			fresh = append(fresh, at)
		}
	}
	return fresh, err
}

// importKeys checks drafts and turns them into records.
func (s *Records) importKeys(ctx context.Context, a keys.Access, drafts []keys.ImportDraft) ([]*NewRecord, error) {
	if len(drafts) > keys.MaxImport {
		return nil, keys.Invalidf("", "at most %d keys", keys.MaxImport)
	}
	for i := range drafts {
		if err := drafts[i].Check(a); err != nil {
			return nil, keys.Within(strconv.Itoa(i), err)
		}
	}
	now, err := s.mayImport(ctx, a, drafts)
	if err != nil {
		return nil, err
	}
	return s.buildKeys(ctx, a, drafts, now)
}

// buildKeys turns drafts into records of keys that are made at now, unix ms. What they
// refer to is looked up together.
func (s *Records) buildKeys(ctx context.Context, a keys.Access, drafts []keys.ImportDraft, now int64) ([]*NewRecord, error) {
	var refs, others []keys.Ref
	var owners []string
	for _, d := range drafts {
		refs, others, owners = append(refs, d.Permissions...), append(others, d.Roles...), append(owners, d.ExternalID)
	}
	f, err := s.ResolveAllRefs(ctx, a, refs, others, owners)
	if err != nil {
		return nil, err
	}
	made := make([]*NewRecord, len(drafts))
	for i, d := range drafts {
		if made[i], err = s.buildKey(a, d, f, now); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// mayImport refuses where the caller may not make keys of one of the APIs, or not keep
// their plaintexts, or one is not there. It returns the store's clock.
func (s *Records) mayImport(ctx context.Context, a keys.Access, drafts []keys.ImportDraft) (now int64, err error) {
	if len(drafts) == 0 {
		return 0, a.Check("")
	}
	var apis []string
	for _, d := range drafts {
		if len(apis) == 0 || d.APIID != apis[len(apis)-1] {
			apis = append(apis, d.APIID)
		}
		if d.Recoverable && s.sealer == nil {
			return 0, errNoKeyset
		}
	}
	slices.Sort(apis)
	apis = slices.Compact(apis)
	for _, api := range apis {
		sealed := slices.ContainsFunc(drafts, func(d keys.ImportDraft) bool { return d.Recoverable && d.APIID == api })
		if err := a.Check(api, alsoToSeal(sealed)...); err != nil {
			return 0, err
		}
	}
	return s.thereAre(ctx, a.WorkspaceID, apis)
}

// alsoToSeal is the right that it takes besides to keep a plaintext.
func alsoToSeal(kept bool) []keys.Right {
	if kept {
		return []keys.Right{keys.EncryptKey}
	}
	return nil
}

// thereAre refuses where one of the APIs is not there.
func (s *Records) thereAre(ctx context.Context, ws string, apis []string) (now int64, err error) {
	there, clock := make([]*redis.IntCmd, len(apis)), (*redis.TimeCmd)(nil)
	err = s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, api := range apis {
			there[i] = p.Exists(ctx, layout.DefinitionName(ws, layout.KindAPI, api))
		}
		clock = p.Time(ctx)
	})
	if err != nil {
		return 0, err
	}
	for i, api := range apis {
		if there[i].Val() == 0 || keys.IsManagedAPI(ws, api) {
			return 0, keys.APINotFound(api)
		}
	}
	return clock.Val().UnixMilli(), nil
}

var errNoKeyset = keys.Errorf(keys.KindPrecondition, "api", "recoverable keys need a sealing keyset, which this server was started without")

// buildKey turns a draft into a record.
func (s *Records) buildKey(a keys.Access, d keys.ImportDraft, f *catalog.Found, now int64) (*NewRecord, error) {
	k := &keys.Key{
		ID: keys.NewID(keys.PrefixKey), WorkspaceID: a.WorkspaceID, APIID: d.APIID, Digest: d.Digest, Start: d.Start,
		Name: d.Name, Meta: d.Meta, Expires: d.Expires, Refill: d.Refill, Limits: keys.LimitsWithIDs(d.Limits, nil),
		Disabled: d.Disabled, Environment: d.Environment, CreatedAt: now, Migration: d.Migration,
		Permissions: f.Permissions.Of(catalog.Permissions, d.Permissions), Roles: f.Roles.Of(catalog.Roles, d.Roles),
		IdentityID: f.Identities[d.ExternalID],
	}
	if d.Secret.Text != "" {
		k.Digest = d.Secret.Digest()
	}
	k.SetSecretPrefix(d.Prefix)
	if k.Refill != nil {
		k.RefillSince = now
	}
	made := &NewRecord{Key: k}
	if d.Remaining != nil {
		k.HasCredits, made.Balance = true, *d.Remaining
	}
	if !d.Recoverable {
		return made, nil
	}
	var err error
	k.Sealed, err = s.sealer.seal(k, d.Secret)
	return made, err
}
