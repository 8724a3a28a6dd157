package keys

import (
	"context"
	"strconv"

	"tollgate/ratelimit"
	"tollgate/refill"

	"github.com/redis/go-redis/v9"
)

// KeyDraft describes a key to be made.
type KeyDraft struct {
	APIID       string
	Prefix      string // without the "_"; "" is the API's own
	SecretBytes int    // random bytes; 0 is the API's own, or 16
	Header      bool   // put 0x01 and the length before them, as Unkey v1 did
	Name        string
	ExternalID  string // of the identity it belongs to, made where there is none
	Meta        []byte // a JSON object's text
	Permissions []Ref
	Roles       []Ref
	Expires     int64  // unix ms, which may have passed; 0, as which no request may write it, for never
	Remaining   *int64 // uses; nil for unlimited
	Refill      *refill.Schedule
	Limits      []ratelimit.Limit // without ids
	Disabled    bool
	Recoverable bool // keep the plaintext, sealed
	Environment string
}

// NewKey is a key that was just made. This is the only time its secret is seen.
type NewKey struct {
	ID     string
	Secret Secret
}

// CreateKey makes a key of an API of the caller's workspace.
func (s *Store) CreateKey(ctx context.Context, a Access, d KeyDraft) (NewKey, error) {
	if err := d.check(a); err != nil {
		return NewKey{}, err
	}
	var also []Right
	if d.Recoverable {
		also = []Right{EncryptKey}
	}
	if err := a.check(d.APIID, also...); err != nil {
		return NewKey{}, err
	}
	api, err := s.API(ctx, Access{Caller: a.Caller}, d.APIID)
	if err != nil {
		return NewKey{}, err
	}
	if d.Recoverable && s.sealer == nil {
		return NewKey{}, Errorf(KindPrecondition, "api", "recoverable keys need a sealing keyset, which this server was started without")
	}
	size := orDefault(d.SecretBytes, orDefault(api.SecretBytes, DefaultSecretBytes))
	secret, start := newSecret(orDefault(d.Prefix, api.Prefix), size, d.Header)
	made, err := s.buildKey(ctx, a, d, secret, start)
	if err != nil {
		return NewKey{}, err
	}
	made.key.SecretBytes = size
	if err := s.insertOne(ctx, made); err != nil {
		return NewKey{}, err
	}
	return NewKey{made.key.ID, secret}, nil
}

// buildKey turns a draft into a record.
func (s *Store) buildKey(ctx context.Context, a Access, d KeyDraft, secret Secret, start string) (*newKey, error) {
	k := &Key{
		ID: NewID(prefixKey), WorkspaceID: a.WorkspaceID, APIID: d.APIID, Digest: secret.Digest(), Start: start,
		Name: d.Name, Meta: d.Meta, Expires: d.Expires, Refill: d.Refill, Limits: limitsWithIDs(d.Limits, nil),
		Disabled: d.Disabled, Environment: d.Environment,
	}
	var err error
	if k.Permissions, err = s.resolveRefs(ctx, a, permissions, "permissions", d.Permissions); err != nil {
		return nil, err
	}
	if k.Roles, err = s.resolveRefs(ctx, a, roles, "roles", d.Roles); err != nil {
		return nil, err
	}
	if d.ExternalID != "" {
		if k.IdentityID, err = s.identify(ctx, a, d.ExternalID); err != nil {
			return nil, err
		}
	}
	if k.CreatedAt, err = s.Now(ctx); err != nil {
		return nil, err
	}
	if k.Refill != nil {
		k.RefillSince = k.CreatedAt
	}
	if d.Recoverable {
		if k.Sealed, err = s.sealer.seal(k, secret); err != nil {
			return nil, err
		}
	}
	made := &newKey{key: k}
	if d.Remaining != nil {
		k.HasCredits, made.balance = true, *d.Remaining
	}
	return made, nil
}

// listsOf names the lists a key is in.
func listsOf(k *Key) []string {
	switch {
	case k.Root != nil:
		return []string{listName(k.WorkspaceID, kindRootKey)}
	case k.IdentityID != "":
		return []string{keyListName(k.APIID, ""), keyListName(k.APIID, k.IdentityID)}
	}
	return []string{keyListName(k.APIID, "")}
}

// removeIndexEntries removes what leads to keys that are not there. It is housekeeping: where
// it fails, readers skip the entries.
func (s *Store) removeIndexEntries(ctx context.Context, gone ...*Key) {
	if len(gone) == 0 {
		return
	}
	_ = s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, k := range gone {
			p.Del(ctx, indexName(k.ID))
		}
	})
	s.removeFromAllLists(ctx, gone)
	s.forgetUse(ctx, gone)
}

// put says what a write does to what is left of a key.
type put struct {
	balance *int64 // nil keeps it
	restart bool   // count the refill's boundaries from now
}

// put writes a record in the place of old. It reports whether old was still there.
func (s *Store) put(ctx context.Context, old *stored, k *Key, p put) (bool, error) {
	at, was, revision := old.place, old.key, old.revision
	balance := ""
	if p.balance != nil {
		balance = strconv.FormatInt(*p.balance, 10)
	}
	restart := "0"
	if p.restart || was.Refill == nil {
		restart = "1"
	}
	args := []any{string(revision), string(encode(k.toRecord()))}
	args = append(args, scheduleArgs(was.Refill)...)
	args = append(args, scheduleArgs(k.Refill)...)
	args = append(args, balance, restart, flag(onlyRevokes(was, k)))
	for _, limit := range k.Limits {
		args = append(args, keptSlot(was.Limits, limit))
	}
	reply, err := s.run(ctx, putScript, []string{at.record(), at.tombstone()}, args...)
	if err != nil {
		return false, err
	}
	return reply[0] != nil, nil
}

// keptSlot returns the number, counted from one, of the old limit whose counts a new
// one goes on with: the same id and windows as long. Otherwise 0.
func keptSlot(old []ratelimit.Limit, limit ratelimit.Limit) int {
	for i, o := range old {
		if o.ID == limit.ID && o.Duration == limit.Duration {
			return i + 1
		}
	}
	return 0
}

// scheduleArgs are the amount and the day that scripts take; amount 0 for none.
func scheduleArgs(r *refill.Schedule) []any {
	if r == nil {
		return []any{0, 0}
	}
	return []any{r.Amount, r.Day}
}

// limitsWithIDs gives each limit an id: the one a limit of its name had, or a new one.
func limitsWithIDs(limits, old []ratelimit.Limit) []ratelimit.Limit {
	all := make([]ratelimit.Limit, len(limits))
	for i, limit := range limits {
		limit.ID = NewID(prefixLimit)
		for _, o := range old {
			if o.Name == limit.Name {
				limit.ID = o.ID
			}
		}
		all[i] = limit
	}
	return all
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
