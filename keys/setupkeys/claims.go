package setupkeys

import (
	"context"
	_ "embed"
	"errors"
	"strings"
	"sync"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
	"github.com/rs/xid"
	"golang.org/x/sync/singleflight"
)

// A peer redeems one setup key of a workspace: another is refused as long as the first
// is there. Which one it is stands in the peer's claim: the id of the key, and a token.
// The claim and the key may be in different slots, so one script cannot see both. The
// order, and why a crash between two steps leaves nothing wrong:
//
//  1. The claim is made where there is none. A crash leaves a claim without a
//     redemption, which blocks nobody: see 3.
//  2. redeem.lua redeems the key, for a claim whose token was not withdrawn. A peer that
//     redeemed is told the same again without looking at its claim.
//  3. Whoever finds the claim of another key looks at that key. Where it is gone the
//     claim is replaced. Where it was redeemed the claim stands. Otherwise the token is
//     withdrawn in the key's slot first, so that a redemption that is still on its way
//     will be refused, and only then the claim is replaced. A crash in between leaves a
//     claim whose token is withdrawn; the next attempt replaces it.
//
// A change of a claim names what it replaces, so of two at once one starts again. A
// setup key takes its claims along when it is deleted; one that a crash leaves leads
// nowhere and is replaced.

//go:embed claim.lua
var claimLua string

//go:embed withdraw.lua
var withdrawLua string

var claimScript, withdrawScript = redisdb.NewScript(redisdb.StateLua, claimLua), redisdb.NewScript(redisdb.StateLua, withdrawLua)

// errClaimChanged says that somebody else changed a claim at the same time.
var errClaimChanged = errors.New("the claim changed")

// newClaim is the text of a claim of a setup key.
func newClaim(keyID string) string { return keyID + ":" + xid.New().String() }

// claim makes the peer's claim of a setup key and returns it; "" where the peer has
// redeemed another one, and errClaimChanged where it has to be tried again.
func (s *Keys) claim(ctx context.Context, k *keys.Key, peer string) (string, error) {
	if err := s.indexClaims(ctx, k.WorkspaceID); err != nil {
		return "", err
	}
	own := newClaim(k.ID)
	is, err := s.setClaim(ctx, k.WorkspaceID, peer, "", own)
	if err != nil || claimed(is) == k.ID {
		return is, err
	}
	stands, err := s.withdrawClaim(ctx, k.WorkspaceID, is, peer)
	if err != nil || stands {
		return "", err
	}
	if is, err = s.setClaim(ctx, k.WorkspaceID, peer, is, own); err != nil || is == own {
		return is, err
	}
	return "", errClaimChanged
}

// claimed is the id of the setup key of a claim.
func claimed(claim string) string {
	id, _, _ := strings.Cut(claim, ":")
	return id
}

// setClaim changes a peer's claim from one text to another and returns what it is then.
func (s *Keys) setClaim(ctx context.Context, ws, peer, from, to string) (string, error) {
	reply, err := s.Run(ctx, claimScript, []string{layout.ClaimName(ws, peer)}, from, to)
	if err != nil {
		return "", err
	}
	return redisdb.Text(reply[0]), nil
}

// withdrawClaim takes a claim's token away, and reports whether the claim stands instead:
// its key is there and the peer redeemed it.
func (s *Keys) withdrawClaim(ctx context.Context, ws, claim, peer string) (stands bool, err error) {
	id, token, _ := strings.Cut(claim, ":")
	other, err := s.loadSetupKey(ctx, ws, id)
	if err != nil {
		if keys.AsError(err).Kind == keys.KindNotFound {
			return false, nil
		}
		return false, err
	}
	at := other.Place
	reply, err := s.Run(ctx, withdrawScript, []string{at.Record(), at.Redemptions(), at.Withdrawn()}, peer, token)
	if err != nil {
		return false, err
	}
	return redisdb.Text(reply[0]) == "redeemed", nil
}

// dropClaim takes a claim away that led to no redemption. Where it fails the claim
// blocks nobody.
func (s *Keys) dropClaim(ctx context.Context, ws, claim, peer string) {
	if stands, err := s.withdrawClaim(ctx, ws, claim, peer); err == nil && !stands {
		_, _ = s.setClaim(ctx, ws, peer, claim, "")
	}
}

// ClaimPage is how many claims are made or dropped in one exchange.
const ClaimPage = 500

// dropClaims takes the claims of a setup key away whose record is gone, and then the
// list of its peers, which led to them.
func (s *Keys) dropClaims(ctx context.Context, k *keys.Key) error {
	at := layout.PlaceOf(k.Digest)
	for {
		var peers *redis.StringSliceCmd
		err := s.Pipelined(ctx, func(p redis.Pipeliner) { peers = p.ZRange(ctx, at.Peers(), 0, ClaimPage-1) })
		if err != nil || len(peers.Val()) == 0 {
			return err
		}
		claims := make([]*redis.StringCmd, len(peers.Val()))
		err = s.Pipelined(ctx, func(p redis.Pipeliner) {
			for i, peer := range peers.Val() {
				claims[i] = p.Get(ctx, layout.ClaimName(k.WorkspaceID, peer))
			}
		})
		if err != nil {
			return err
		}
		var own []redisdb.Invocation
		for i, peer := range peers.Val() {
			if is := claims[i].Val(); claimed(is) == k.ID {
				own = append(own, redisdb.Invocation{Names: []string{layout.ClaimName(k.WorkspaceID, peer)}, Args: []any{is, ""}})
			}
		}
		if _, err := s.RunAll(ctx, claimScript, own); err != nil {
			return err
		}
		err = s.Pipelined(ctx, func(p redis.Pipeliner) { p.ZRemRangeByRank(ctx, at.Peers(), 0, int64(len(peers.Val())-1)) })
		if err != nil {
			return err
		}
	}
}

// MakeClaims makes the claims of peers that redeemed a setup key, where they have none.
func (s *Keys) MakeClaims(ctx context.Context, k *keys.Key, peers []string) error {
	calls := make([]redisdb.Invocation, len(peers))
	for i, peer := range peers {
		calls[i] = redisdb.Invocation{Names: []string{layout.ClaimName(k.WorkspaceID, peer)}, Args: []any{"", newClaim(k.ID)}}
	}
	_, err := s.RunAll(ctx, claimScript, calls)
	return err
}

// claimIndex is in which workspaces every redemption has a claim, as far as this process
// knows.
type claimIndex struct {
	indexed  sync.Map           // workspace id → true
	indexing singleflight.Group // by workspace id
}

// indexClaims waits until the redemptions that earlier releases made in a workspace have
// claims. It makes them once a process and workspace, also when whoever asked gave up.
func (s *Keys) indexClaims(ctx context.Context, ws string) error {
	if _, done := s.claims.indexed.Load(ws); done {
		return nil
	}
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	under := s.claims.indexing.DoChan(ws, func() (any, error) {
		// Each step is an exchange of its own, however long the request is going on.
		err := s.claimAll(context.WithValue(context.WithoutCancel(ctx), redisdb.RequestStart{}, nil), ws)
		if err == nil {
			s.claims.indexed.Store(ws, true)
		}
		return nil, err
	})
	select {
	case result := <-under:
		return result.Err
	case <-ctx.Done():
		return redisdb.Unavailable(ctx.Err())
	}
}

// claimAll makes the claims of every setup key that has none yet, and notes so in its
// record. Keys made by this release have them from their first redemption on.
func (s *Keys) claimAll(ctx context.Context, ws string) error {
	return s.eachPage(ctx, layout.KeyListName(APIID(ws), ""), func(entries []string) error {
		page, err := s.LoadSetupKeys(ctx, ws, entries)
		if err != nil {
			return err
		}
		for _, found := range page {
			if found.Key.Setup.Claims {
				continue
			}
			if err := s.claimEach(ctx, found); err != nil {
				return err
			}
		}
		return nil
	})
}

// claimEach makes the claims of one setup key. Where its record is changed meanwhile
// that is not noted, and done again by the next process.
func (s *Keys) claimEach(ctx context.Context, found *store.Record) error {
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		var page *redis.ScanCmd
		err := s.Pipelined(ctx, func(p redis.Pipeliner) {
			page = p.HScan(ctx, found.Place.Redemptions(), cursor, "", ClaimPage)
		})
		if err != nil {
			return err
		}
		var pairs, peers []string
		pairs, cursor = page.Val()
		for i := 0; i+1 < len(pairs); i += 2 {
			peers = append(peers, pairs[i])
		}
		if err := s.MakeClaims(ctx, found.Key, peers); err != nil {
			return err
		}
	}
	k, setup := *found.Key, *found.Key.Setup
	setup.Claims, k.Setup = true, &setup
	_, err := s.Put(audit.Exempt(ctx), found, &k, store.Put{}) // nothing that anybody sees
	return err
}
