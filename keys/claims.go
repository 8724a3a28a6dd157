package keys

import (
	"context"
	_ "embed"
	"errors"
	"strings"
	"sync"

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

var claimScript, withdrawScript = NewScript(claimLua), NewScript(withdrawLua)

// errClaimChanged says that somebody else changed a claim at the same time.
var errClaimChanged = errors.New("the claim changed")

// newClaim is the text of a claim of a setup key.
func newClaim(keyID string) string { return keyID + ":" + xid.New().String() }

// claim makes the peer's claim of a setup key and returns it; "" where the peer has
// redeemed another one, and errClaimChanged where it has to be tried again.
func (s *SetupStore) claim(ctx context.Context, k *Key, peer string) (string, error) {
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
func (s *SetupStore) setClaim(ctx context.Context, ws, peer, from, to string) (string, error) {
	reply, err := s.run(ctx, claimScript, []string{claimName(ws, peer)}, from, to)
	if err != nil {
		return "", err
	}
	return text(reply[0]), nil
}

// withdrawClaim takes a claim's token away, and reports whether the claim stands instead:
// its key is there and the peer redeemed it.
func (s *SetupStore) withdrawClaim(ctx context.Context, ws, claim, peer string) (stands bool, err error) {
	id, token, _ := strings.Cut(claim, ":")
	other, err := s.loadSetupKey(ctx, ws, id)
	if err != nil {
		if AsError(err).Kind == KindNotFound {
			return false, nil
		}
		return false, err
	}
	at := other.place
	reply, err := s.run(ctx, withdrawScript, []string{at.record(), at.redemptions(), at.withdrawn()}, peer, token)
	if err != nil {
		return false, err
	}
	return text(reply[0]) == "redeemed", nil
}

// dropClaim takes a claim away that led to no redemption. Where it fails the claim
// blocks nobody.
func (s *SetupStore) dropClaim(ctx context.Context, ws, claim, peer string) {
	if stands, err := s.withdrawClaim(ctx, ws, claim, peer); err == nil && !stands {
		_, _ = s.setClaim(ctx, ws, peer, claim, "")
	}
}

// claimPage is how many claims are made or dropped in one exchange.
const claimPage = 500

// dropClaims takes the claims of a setup key away whose record is gone, and then the
// list of its peers, which led to them.
func (s *SetupStore) dropClaims(ctx context.Context, k *Key) error {
	at := k.Digest.place()
	for {
		var peers *redis.StringSliceCmd
		err := s.pipelined(ctx, func(p redis.Pipeliner) { peers = p.ZRange(ctx, at.peers(), 0, claimPage-1) })
		if err != nil || len(peers.Val()) == 0 {
			return err
		}
		claims := make([]*redis.StringCmd, len(peers.Val()))
		err = s.pipelined(ctx, func(p redis.Pipeliner) {
			for i, peer := range peers.Val() {
				claims[i] = p.Get(ctx, claimName(k.WorkspaceID, peer))
			}
		})
		if err != nil {
			return err
		}
		var own []invocation
		for i, peer := range peers.Val() {
			if is := claims[i].Val(); claimed(is) == k.ID {
				own = append(own, invocation{[]string{claimName(k.WorkspaceID, peer)}, []any{is, ""}})
			}
		}
		if _, err := s.runAll(ctx, claimScript, own); err != nil {
			return err
		}
		err = s.pipelined(ctx, func(p redis.Pipeliner) { p.ZRemRangeByRank(ctx, at.peers(), 0, int64(len(peers.Val())-1)) })
		if err != nil {
			return err
		}
	}
}

// makeClaims makes the claims of peers that redeemed a setup key, where they have none.
func (s *SetupStore) makeClaims(ctx context.Context, k *Key, peers []string) error {
	calls := make([]invocation, len(peers))
	for i, peer := range peers {
		calls[i] = invocation{[]string{claimName(k.WorkspaceID, peer)}, []any{"", newClaim(k.ID)}}
	}
	_, err := s.runAll(ctx, claimScript, calls)
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
func (s *SetupStore) indexClaims(ctx context.Context, ws string) error {
	if _, done := s.claims.indexed.Load(ws); done {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	under := s.claims.indexing.DoChan(ws, func() (any, error) {
		// Each step is an exchange of its own, however long the request is going on.
		err := s.claimAll(context.WithValue(context.WithoutCancel(ctx), RequestStart{}, nil), ws)
		if err == nil {
			s.claims.indexed.Store(ws, true)
		}
		return nil, err
	})
	select {
	case result := <-under:
		return result.Err
	case <-ctx.Done():
		return Unavailable(ctx.Err())
	}
}

// claimAll makes the claims of every setup key that has none yet, and notes so in its
// record. Keys made by this release have them from their first redemption on.
func (s *SetupStore) claimAll(ctx context.Context, ws string) error {
	return s.eachPage(ctx, keyListName(setupAPIID(ws), ""), func(entries []string) error {
		page, err := s.loadSetupKeys(ctx, ws, entries)
		if err != nil {
			return err
		}
		for _, found := range page {
			if found.key.Setup.Claims {
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
func (s *SetupStore) claimEach(ctx context.Context, found *stored) error {
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		var page *redis.ScanCmd
		err := s.pipelined(ctx, func(p redis.Pipeliner) {
			page = p.HScan(ctx, found.place.redemptions(), cursor, "", claimPage)
		})
		if err != nil {
			return err
		}
		var pairs, peers []string
		pairs, cursor = page.Val()
		for i := 0; i+1 < len(pairs); i += 2 {
			peers = append(peers, pairs[i])
		}
		if err := s.makeClaims(ctx, found.key, peers); err != nil {
			return err
		}
	}
	k, setup := *found.key, *found.key.Setup
	setup.Claims, k.Setup = true, &setup
	_, err := s.put(ctx, found, &k, put{})
	return err
}
