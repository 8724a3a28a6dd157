package keys

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// MaxImport bounds how many keys one call of ImportKeys stores.
const MaxImport = 1000

// ImportDraft describes a key that is in use already. Its Prefix is that of its
// plaintext; SecretBytes and Header mean nothing.
type ImportDraft struct {
	KeyDraft
	Secret Secret // the plaintext, where it is known; it is sealed where the draft is Recoverable
	Digest Digest // otherwise the digest of it
	Start  string // what is shown to recognise it by

	Migration string // Digest is what that migration makes of a plaintext, not the plaintext's own
}

// ImportKeys stores keys that are in use already; to keep a plaintext takes EncryptKey. It
// does so in a number of round trips that
// does not depend on how many they are, and gives their ids. Where the digest of
// one is taken it stores none and is KindConflict. A name that is missing is not
// found or made as the drafts' references say, once for all of them.
func (s *Store) ImportKeys(ctx context.Context, a Access, drafts []ImportDraft) ([]string, error) {
	made, err := s.buildKeys(ctx, a, drafts)
	if err != nil {
		return nil, err
	}
	if len(distinctDigests(made)) < len(made) {
		return nil, Errorf(KindConflict, "key", "two of the keys have the same hash")
	}
	taken, err := s.insert(ctx, made)
	if err != nil {
		return nil, err
	}
	if len(taken) > 0 {
		return nil, Errorf(KindConflict, "key", "a key with the hash of number %d exists already", taken[0])
	}
	ids := make([]string, len(made))
	for i, m := range made {
		ids[i] = m.key.ID
	}
	return ids, nil
}

// ImportNewKeys is ImportKeys that leaves out keys whose digest is taken: their id
// is "". So it can be repeated.
func (s *Store) ImportNewKeys(ctx context.Context, a Access, drafts []ImportDraft) ([]string, error) {
	made, err := s.buildKeys(ctx, a, drafts)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(made))
	for range tries {
		fresh, err := s.fresh(ctx, made)
		if err != nil {
			return nil, err
		}
		part := make([]*newKey, len(fresh))
		for i, at := range fresh {
			part[i] = made[at]
		}
		taken, err := s.insert(ctx, part)
		if err != nil {
			return nil, err
		}
		if len(taken) == 0 {
			for _, at := range fresh {
				ids[at] = made[at].key.ID
			}
			return ids, nil
		}
	}
	return nil, Unavailable(errBusy)
}

// distinctDigests returns the places in made of the first key of each digest.
func distinctDigests(made []*newKey) []int {
	var first []int
	seen := map[Digest]bool{}
	for i, m := range made {
		if !seen[m.key.Digest] {
			seen[m.key.Digest] = true
			first = append(first, i)
		}
	}
	return first
}

// fresh returns the places in made of keys whose digest nobody has.
func (s *Store) fresh(ctx context.Context, made []*newKey) ([]int, error) {
	first := distinctDigests(made)
	there := make([]*redis.IntCmd, len(first))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, at := range first {
			place := made[at].key.Digest.place()
			there[i] = p.Exists(ctx, place.record(), place.tombstone())
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

// buildKeys turns drafts into records, looking everything up that they refer to
// together.
func (s *Store) buildKeys(ctx context.Context, a Access, drafts []ImportDraft) ([]*newKey, error) {
	if len(drafts) > MaxImport {
		return nil, Invalidf("", "at most %d keys", MaxImport)
	}
	for i := range drafts {
		if err := drafts[i].check(a); err != nil {
			return nil, Within(strconv.Itoa(i), err)
		}
	}
	now, err := s.mayImport(ctx, a, drafts)
	if err != nil {
		return nil, err
	}
	var refs, others []Ref
	var owners []string
	for _, d := range drafts {
		refs, others, owners = append(refs, d.Permissions...), append(others, d.Roles...), append(owners, d.ExternalID)
	}
	f, err := s.resolveAllRefs(ctx, a, refs, others, owners)
	if err != nil {
		return nil, err
	}
	made := make([]*newKey, len(drafts))
	for i, d := range drafts {
		if made[i], err = s.buildImported(a, d, f, now); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// check refuses what no dialect may import.
func (d *ImportDraft) check(a Access) error {
	switch {
	case d.Secret.text == "" && d.Digest == Digest{}:
		return Invalidf("hash", "needs a hash or the plaintext")
	case d.Secret.text == "" && d.Recoverable:
		return Invalidf("plaintext", "a recoverable key needs its plaintext")
	case len(d.Start) > MaxName:
		return Invalidf("start", "at most %d bytes", MaxName)
	}
	return d.KeyDraft.check(a)
}

// Within says in which item of a list an input is wrong.
func Within(item string, err error) error {
	if e := AsError(err); e.Kind == KindInvalid {
		at := *e
		if at.Field = item; e.Field != "" {
			at.Field += "." + e.Field
		}
		return &at
	}
	return err
}

// mayImport refuses where the caller may not make keys of one of the APIs, or not keep
// their plaintexts, or one is not there. It returns the store's clock.
func (s *Store) mayImport(ctx context.Context, a Access, drafts []ImportDraft) (now int64, err error) {
	if len(drafts) == 0 {
		return 0, a.check("")
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
		var also []Right
		if slices.ContainsFunc(drafts, func(d ImportDraft) bool { return d.Recoverable && d.APIID == api }) {
			also = []Right{EncryptKey}
		}
		if err := a.check(api, also...); err != nil {
			return 0, err
		}
	}
	return s.thereAre(ctx, a.WorkspaceID, apis)
}

// thereAre refuses where one of the APIs is not there.
func (s *Store) thereAre(ctx context.Context, ws string, apis []string) (now int64, err error) {
	there, clock := make([]*redis.IntCmd, len(apis)), (*redis.TimeCmd)(nil)
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, api := range apis {
			there[i] = p.Exists(ctx, definitionName(ws, kindAPI, api))
		}
		clock = p.Time(ctx)
	})
	if err != nil {
		return 0, err
	}
	for i, api := range apis {
		if there[i].Val() == 0 || api == setupAPIID(ws) {
			return 0, apiNotFound(api)
		}
	}
	return clock.Val().UnixMilli(), nil
}

var errNoKeyset = Errorf(KindPrecondition, "api", "recoverable keys need a sealing keyset, which this server was started without")

// buildImported turns a draft into a record.
func (s *Store) buildImported(a Access, d ImportDraft, f *found, now int64) (*newKey, error) {
	k := &Key{
		ID: NewID(prefixKey), WorkspaceID: a.WorkspaceID, APIID: d.APIID, Digest: d.Digest, Start: d.Start,
		Name: d.Name, Meta: d.Meta, Expires: d.Expires, Refill: d.Refill, Limits: limitsWithIDs(d.Limits, nil),
		Disabled: d.Disabled, Environment: d.Environment, CreatedAt: now, Migration: d.Migration,
		Permissions: f.permissions.ids(permissions, d.Permissions), Roles: f.roles.ids(roles, d.Roles),
		IdentityID: f.identities[d.ExternalID],
	}
	if d.Secret.text != "" {
		k.Digest = d.Secret.Digest()
	}
	k.setPrefix(d.Prefix)
	if k.Refill != nil {
		k.RefillSince = now
	}
	made := &newKey{key: k}
	if d.Remaining != nil {
		k.HasCredits, made.balance = true, *d.Remaining
	}
	if !d.Recoverable {
		return made, nil
	}
	var err error
	k.Sealed, err = s.sealer.seal(k, d.Secret)
	return made, err
}
