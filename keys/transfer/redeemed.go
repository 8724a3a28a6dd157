package transfer

import (
	"context"
	_ "embed"
	"slices"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

//go:embed redeemed.lua
var redeemedLua string

var redeemedScript = redisdb.NewScript(redisdb.StateLua, redeemedLua)

// redeemed is what a line holds of a setup key: who redeemed it and was told what,
// and, in the first line of a key, who was refused.
type redeemed struct {
	Peers   []peerRedemption `cbor:"1,keyasint,omitempty"`
	Refused [][]byte         `cbor:"2,keyasint,omitempty"` // the newest first; the line's TTL is theirs

	life int64 // of those refused, ms
}

type peerRedemption struct {
	_    struct{} `cbor:",toarray"`
	Peer string
	Told []byte // as redeem.lua wrote it
}

// allRedeemed returns what was noted of setup keys, by their ids. A key behind whose
// line it goes on is given again.
func (e *exporter) allRedeemed(ctx context.Context, after *ExportRecord) error {
	from := "-"
	if after != nil {
		from = "[" + after.Redeemed
	}
	list := layout.KeyListName(setupkeys.APIID(e.ws), "")
	for {
		ids, err := e.store.IDsFrom(ctx, list, from)
		if err != nil || len(ids) == 0 {
			return err
		}
		found, err := e.store.LoadSetupKeys(ctx, e.ws, ids)
		if err != nil {
			return err
		}
		for _, one := range found {
			if one.Key.CreatedAt > e.since {
				continue
			}
			if err := e.redeemed(ctx, one); err != nil {
				return err
			}
		}
		from = "(" + ids[len(ids)-1]
	}
}

func (e *exporter) redeemed(ctx context.Context, of *store.Record) error {
	first, err := e.refused(ctx, of)
	if err != nil {
		return err
	}
	for cursor := uint64(0); ; {
		var page *redis.ScanCmd
		if err := e.store.Pipelined(ctx, func(p redis.Pipeliner) {
			page = p.HScan(ctx, of.Place.Redemptions(), cursor, "", transferPage)
		}); err != nil {
			return err
		}
		pairs, next := page.Val()
		for i := 0; i+1 < len(pairs); i += 2 {
			first.Peers = append(first.Peers, peerRedemption{Peer: pairs[i], Told: []byte(pairs[i+1])})
		}
		if len(first.Peers) > 0 || len(first.Refused) > 0 {
			slices.SortFunc(first.Peers, func(a, b peerRedemption) int { return slices.Compare([]byte(a.Peer), []byte(b.Peer)) })
			if err := e.emit([]ExportRecord{{Redeemed: of.Key.ID, Stored: layout.Encode(first), TTL: first.life}}); err != nil {
				return err
			}
		}
		if first = (redeemed{}); next == 0 {
			return nil
		}
		cursor = next
	}
}

func (e *exporter) refused(ctx context.Context, of *store.Record) (r redeemed, err error) {
	var notes *redis.StringSliceCmd
	var life *redis.DurationCmd
	err = e.store.Pipelined(ctx, func(p redis.Pipeliner) {
		notes = p.LRange(ctx, of.Place.Refusals(), 0, setupkeys.KeptRefusals-1)
		life = p.PTTL(ctx, of.Place.Refusals())
	})
	for _, note := range notes.Val() {
		r.Refused = append(r.Refused, []byte(note))
	}
	if len(r.Refused) > 0 {
		r.life = max(1, life.Val().Milliseconds())
	}
	return r, err
}

// decodeRedeemed reads a line's record.
func decodeRedeemed(l *ExportRecord) (*redeemed, error) {
	r := redeemed{life: l.TTL}
	if err := layout.Decoding.Unmarshal(l.Stored, &r); err != nil {
		return nil, keys.Invalidf("stored", "is no record of a setup key's peers")
	}
	if len(r.Refused) > setupkeys.KeptRefusals || r.life < 0 || r.life > setupkeys.RefusalsExpire.Milliseconds() {
		return nil, keys.Invalidf("stored", "has more refusals than are kept")
	}
	for _, p := range r.Peers {
		if _, err := setupkeys.RedemptionOf(nil, p.Peer, string(p.Told)); err != nil || p.Peer == "" || len(p.Peer) > keys.MaxPeer {
			return nil, keys.Invalidf("stored", "is no record of a setup key's peers")
		}
	}
	return &r, nil
}

// importRedeemed notes who redeemed setup keys, where it is not noted yet. What
// there is no setup key for is left out.
func (s *Transfer) importRedeemed(ctx context.Context, ws string, lines []checkedRecord, done *Imported) error {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = l.Redeemed
	}
	found, err := s.LoadAll(ctx, ids)
	if err != nil {
		return err
	}
	var calls []redisdb.Invocation
	for i, l := range lines {
		if one := found[i]; one == nil || one.Key.Setup == nil || one.Key.WorkspaceID != ws {
			done.leave(&l, whyNoSetup)
		} else {
			calls = append(calls, l.redeemed.note(one.Place))
		}
	}
	// The claims come first: one without a redemption blocks nobody, and a redemption
	// without one would let its peer redeem another key.
	for i, l := range lines {
		if one := found[i]; one != nil && one.Key.Setup != nil && one.Key.WorkspaceID == ws {
			if err := s.claimImported(ctx, one.Key, l.redeemed.Peers); err != nil {
				return err
			}
		}
	}
	for step := range slices.Chunk(calls, 8) { // Redis serves others in between
		replies, err := s.RunAll(ctx, redeemedScript, step)
		if err != nil {
			return err
		}
		done.countStored(replies)
	}
	return nil
}

// claimImported makes the claims of peers that redeemed a key elsewhere.
func (s *Transfer) claimImported(ctx context.Context, k *keys.Key, told []peerRedemption) error {
	peers := make([]string, len(told))
	for i, one := range told {
		peers[i] = one.Peer
	}
	for step := range slices.Chunk(peers, setupkeys.ClaimPage) {
		if err := s.MakeClaims(ctx, k, step); err != nil {
			return err
		}
	}
	return nil
}

// note is the script call that notes it at a key's place.
func (r *redeemed) note(at layout.Place) redisdb.Invocation {
	args := []any{max(1, r.life), len(r.Refused)}
	for _, note := range r.Refused {
		args = append(args, note)
	}
	for _, p := range r.Peers {
		args = append(args, p.Peer, p.Told)
	}
	return redisdb.Invocation{Names: []string{at.Record(), at.Redemptions(), at.Peers(), at.Refusals()}, Args: args}
}

// countStored counts replies that tell how much was stored.
func (i *Imported) countStored(replies [][]any) {
	for _, reply := range replies {
		if redisdb.Number(reply[0]) > 0 {
			i.Stored++
		} else {
			i.Same++
		}
	}
}
