package store

import (
	"cmp"
	"context"
	"strconv"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/ratelimit"
	"tollgate/refill"

	"github.com/redis/go-redis/v9"
)

// CreateKey makes a key of an API of the caller's workspace.
func (s *Store) CreateKey(ctx context.Context, a keys.Access, d keys.KeyDraft) (created keys.NewKey, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.CreateKey, audit.Resource{Type: "key", Name: d.Name})
	defer end(&err)
	if err := d.Check(a); err != nil {
		return keys.NewKey{}, err
	}
	if err := a.Check(d.APIID, alsoToSeal(d.Recoverable)...); err != nil {
		return keys.NewKey{}, err
	}
	api, err := s.API(ctx, keys.Access{Caller: a.Caller}, d.APIID)
	if err != nil {
		return keys.NewKey{}, err
	}
	if d.Recoverable && s.sealer == nil {
		return keys.NewKey{}, errNoKeyset
	}
	size := cmp.Or(d.SecretBytes, cmp.Or(api.SecretBytes, keys.DefaultSecretBytes))
	secret, start := keys.GenerateSecret(cmp.Or(d.Prefix, api.Prefix), size, d.Header)
	d.Prefix = "" // start has it
	now, err := s.Now(ctx)
	if err != nil {
		return keys.NewKey{}, err
	}
	made, err := s.buildKeys(ctx, a, []keys.ImportDraft{{KeyDraft: d, Secret: secret, Start: start}}, now)
	if err != nil {
		return keys.NewKey{}, err
	}
	made[0].Key.SecretBytes = size
	if err := s.InsertOne(ctx, made[0]); err != nil {
		return keys.NewKey{}, err
	}
	return keys.NewKey{ID: made[0].Key.ID, Secret: secret}, nil
}

// listsOf names the lists a key is in.
func listsOf(k *keys.Key) []string {
	switch {
	case k.Root != nil:
		return []string{layout.ListName(k.WorkspaceID, layout.KindRootKey)}
	case k.IdentityID != "":
		return []string{layout.KeyListName(k.APIID, ""), layout.KeyListName(k.APIID, k.IdentityID)}
	}
	return []string{layout.KeyListName(k.APIID, "")}
}

// RemoveIndexEntries removes what leads to keys that are not there. It is housekeeping: where
// it fails, readers skip the entries.
func (s *Records) RemoveIndexEntries(ctx context.Context, gone ...*keys.Key) {
	if len(gone) == 0 {
		return
	}
	_ = s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, k := range gone {
			p.Del(ctx, layout.IndexName(k.ID))
		}
	})
	s.removeFromAllLists(ctx, gone)
	s.forgetUse(ctx, gone)
}

// Put says what a write does to what is left of a key.
type Put struct {
	balance *int64 // nil keeps it
	restart bool   // count the refill's boundaries from now
}

// left is what the audit log says of the balance of a key as it was read.
func (p Put) left(old *Record) audit.Left {
	if p.balance != nil {
		return audit.Left{Before: old.balance(), After: p.balance}
	}
	return audit.Left{}
}

// balance is what is left of a key, as the audit log has it.
func (old *Record) balance() *int64 {
	left := old.Key.Refilled(old.State, old.Now).Balance
	return &left
}

// Put writes a record in the place of old. It reports whether old was still there.
func (s *Records) Put(ctx context.Context, old *Record, k *keys.Key, p Put) (bool, error) {
	at, was, revision := old.Place, old.Key, old.Revision
	if err := audit.Intend(ctx, onlyRevokes(was, k), func() []audit.Changed { return audit.KeyChanged(was, k, p.left(old)) }); err != nil {
		return false, err
	}
	balance := ""
	if p.balance != nil {
		balance = strconv.FormatInt(*p.balance, 10)
	}
	restart := "0"
	if p.restart || was.Refill == nil {
		restart = "1"
	}
	args := []any{string(revision), string(layout.Encode(k.ToRecord()))}
	args = append(args, scheduleArgs(was.Refill)...)
	args = append(args, scheduleArgs(k.Refill)...)
	args = append(args, balance, restart, redisdb.Flag(onlyRevokes(was, k)))
	for _, limit := range k.Limits {
		args = append(args, keptSlot(was.Limits, limit))
	}
	reply, err := s.Run(ctx, putScript, []string{at.Record(), at.Tombstone()}, args...)
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
