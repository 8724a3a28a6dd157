package setupkeys

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

//go:embed redeem.lua
var redeemLua string

var redeemScript = redisdb.NewScript(redisdb.StateLua, redeemLua)

// RedeemRequest asks for a setup key's groups on behalf of a peer.
type RedeemRequest struct {
	Secret         keys.Secret // in either case
	Peer           string      // whatever tells it from others, such as its public key
	ExtraDNSLabels []string
}

// Redemption is what a peer was told when it redeemed a setup key for the first
// time, and is told whenever it does so again.
type Redemption struct {
	Key       *keys.Key
	Peer      string
	At        int64    // unix ms
	UsedTimes int64    // this use counted
	Groups    []string // ids, as they were then
}

// RedeemReason says why a setup key was not redeemed: one of the SetupStates, or
// one of these. It is for the operator; whoever redeems sees no difference.
type RedeemReason string

// The reasons that are not states.
const (
	RedeemUnknown RedeemReason = "unknown" // nothing has this secret
	RedeemDenied  RedeemReason = "extra dns labels"
	RedeemClaimed RedeemReason = "another setup key" // the peer redeemed one that is still there
)

// RedemptionError is the cause in the error of a redemption that was refused.
type RedemptionError struct {
	KeyID  string // "" for an unknown key
	Reason RedeemReason
}

// Error names the reason.
func (r *RedemptionError) Error() string { return string(r.Reason) }

// Redeem spends one use of a setup key for a peer, unless that peer redeemed it
// before. Exactly as many peers succeed as the key has uses, on any number of
// gateways. An unknown, expired, revoked or used up key is KindNotFound, with the
// *RedemptionError in the chain; one that gives no extra DNS labels to a peer
// that asks for some is KindPrecondition, and so is one for a peer that redeemed
// another setup key which is still there. A peer that redeemed the key before is told
// the same again, unless the key is revoked.
func (s *Keys) Redeem(ctx context.Context, a keys.Access, r RedeemRequest) (redeemed *Redemption, err error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	at := layout.PlaceOf(keys.NewSecret(strings.ToUpper(r.Secret.Text)).Digest())
	err = catalog.Retry(func() (bool, error) {
		found, err := s.LoadFrom(ctx, catalog.OwnScript, at, a.WorkspaceID)
		if err != nil {
			return false, err
		}
		if found == nil || found.Key.Setup == nil || found.Key.WorkspaceID != a.WorkspaceID {
			return false, cmp.Or(a.Check(""), refusedRedemption("", RedeemUnknown))
		}
		if err := a.Check(found.Key.ID); err != nil {
			return false, err
		}
		status, told, err := s.redeem(ctx, found, r)
		switch {
		case err != nil:
			return false, err
		case status == "redeemed":
			redeemed, err = RedemptionOf(found.Key, r.Peer, told)
			return true, err
		case status != "changed":
			s.noteRefusal(ctx, found, r.Peer, RedeemReason(status))
			return false, refusedRedemption(found.Key.ID, RedeemReason(status))
		}
		return false, nil
	})
	return redeemed, err
}

// redeem looks first: who redeemed the key before, or is refused, needs no claim.
// claims.go says why the order is as it is.
func (s *Keys) redeem(ctx context.Context, found *store.Record, r RedeemRequest) (status, told string, err error) {
	k := found.Key
	status, told, err = s.tryRedeem(ctx, found, r, "")
	if err != nil || status != "unclaimed" {
		return status, told, err
	}
	claim, err := s.claim(ctx, k, r.Peer)
	switch {
	case errors.Is(err, errClaimChanged):
		return "changed", "", nil
	case err != nil:
		return "", "", err
	case claim == "":
		return string(RedeemClaimed), "", nil
	}
	_, token, _ := strings.Cut(claim, ":")
	status, told, err = s.tryRedeem(ctx, found, r, token)
	switch {
	case err != nil || status == "redeemed" || status == "changed":
	case status == "withdrawn":
		_, err = s.setClaim(ctx, k.WorkspaceID, r.Peer, claim, newClaim(k.ID))
		status = "changed"
	default: // others were faster
		s.dropClaim(ctx, k.WorkspaceID, claim, r.Peer)
	}
	return status, told, err
}

// tryRedeem asks the script. What the record alone decides was read a moment ago,
// and holds for that moment.
func (s *Keys) tryRedeem(ctx context.Context, found *store.Record, r RedeemRequest, token string) (status, told string, err error) {
	k := found.Key
	if k.Disabled {
		return string(k.SetupState(1, found.Now)), "", nil
	}
	beyond := "0"
	if len(r.ExtraDNSLabels) > 0 && !k.Setup.ExtraDNSLabels {
		beyond = "1"
	}
	at := found.Place
	reply, err := s.Run(ctx, redeemScript, []string{at.Record(), at.Redemptions(), at.Peers(), at.Withdrawn()},
		string(found.Revision), k.Expires, k.Setup.Capacity(), r.Peer, beyond, string(layout.Encode(k.Setup.Groups)), token)
	if err != nil {
		return "", "", err
	}
	if len(reply) != 2 {
		return "", "", keys.ErrCorrupt
	}
	status, told = redisdb.Text(reply[0]), redisdb.Text(reply[1])
	if status == "denied" {
		status = string(RedeemDenied)
	}
	return status, told, nil
}

func refusedRedemption(keyID string, reason RedeemReason) error {
	e := keys.Errorf(keys.KindNotFound, "setup_key", "couldn't add peer: setup key is invalid")
	if reason == RedeemDenied {
		e = keys.Errorf(keys.KindPrecondition, "setup_key", "couldn't add peer: setup key doesn't allow extra DNS labels")
	}
	if reason == RedeemClaimed {
		e = keys.Errorf(keys.KindPrecondition, "setup_key", "couldn't add peer: peer has been already registered with another setup key")
	}
	e.Err = &RedemptionError{keyID, reason}
	return e
}

// RedemptionOf reads what redeem.lua wrote.
func RedemptionOf(k *keys.Key, peer, told string) (*Redemption, error) {
	if len(told) < 14 {
		return nil, keys.ErrCorrupt
	}
	r := &Redemption{Key: k, Peer: peer, At: layout.U56(told), UsedTimes: layout.U56(told[7:])}
	return r, layout.Decoding.Unmarshal([]byte(told[14:]), &r.Groups)
}

func (r *RedeemRequest) check() error {
	switch {
	case r.Secret.Text == "":
		return keys.Invalidf("key", "setup key shouldn't be empty")
	case strings.TrimSpace(r.Peer) == "":
		return keys.Invalidf("peer", "peer shouldn't be empty")
	case len(r.Peer) > keys.MaxPeer:
		return keys.Invalidf("peer", "peer has at most %d bytes", keys.MaxPeer)
	case !utf8.ValidString(r.Peer) || strings.ContainsFunc(r.Peer, unicode.IsControl):
		return keys.Invalidf("peer", "peer has no control characters")
	case len(r.ExtraDNSLabels) > keys.MaxDNSLabels:
		return keys.Invalidf("extra_dns_labels", "extra_dns_labels has at most %d labels", keys.MaxDNSLabels)
	}
	for _, label := range r.ExtraDNSLabels {
		if len(label) > keys.MaxDomain || !keys.DomainPattern.MatchString(label) {
			return keys.Invalidf("extra_dns_labels", "extra_dns_labels: %s is not a domain", keys.Redact(label))
		}
	}
	return nil
}

// Refusals are kept to be looked at, not for ever and not all.
const (
	KeptRefusals   = 100
	RefusalsExpire = 30 * 24 * time.Hour
)

// Refusal is a redemption of a key that was refused.
type Refusal struct {
	Peer   string       `json:"peer"`
	At     int64        `json:"at"` // unix ms
	Reason RedeemReason `json:"reason"`
}

// noteRefusal remembers a refusal beside the key. It is no part of the decision:
// where it fails, the log has it.
func (s *Keys) noteRefusal(ctx context.Context, found *store.Record, peer string, reason RedeemReason) {
	note, _ := json.Marshal(Refusal{peer, found.Now, reason}) // strings always encode
	name := found.Place.Refusals()
	_ = s.Pipelined(ctx, func(p redis.Pipeliner) {
		p.LPush(ctx, name, note)
		p.LTrim(ctx, name, 0, KeptRefusals-1)
		p.Expire(ctx, name, RefusalsExpire)
	})
}

// Redemptions are who redeemed a setup key and when, and who was refused.
type Redemptions struct {
	Total    int64         // how many peers redeemed it
	Redeemed []*Redemption // some of them, the first first
	Refused  []Refusal     // the last ones, the newest first
}

// Redemptions returns up to count redemptions of a setup key, from the one with the
// number offset on, counted from 0.
func (s *Keys) Redemptions(ctx context.Context, a keys.Access, id string, offset, count int64) (*Redemptions, error) {
	if err := a.Check(id); err != nil {
		return nil, err
	}
	found, err := s.loadSetupKey(ctx, a.WorkspaceID, id)
	if err != nil {
		return nil, err
	}
	var total *redis.IntCmd
	var peers, notes *redis.StringSliceCmd
	err = s.Pipelined(ctx, func(p redis.Pipeliner) {
		total = p.ZCard(ctx, found.Place.Peers())
		peers = p.ZRange(ctx, found.Place.Peers(), offset, offset+count-1)
		notes = p.LRange(ctx, found.Place.Refusals(), 0, KeptRefusals-1)
	})
	if err != nil {
		return nil, err
	}
	out := &Redemptions{Total: total.Val(), Refused: refusalsOf(notes.Val())}
	out.Redeemed, err = s.redemptionsOf(ctx, found, peers.Val())
	return out, err
}

// redemptionsOf reads what peers were told.
func (s *Keys) redemptionsOf(ctx context.Context, found *store.Record, peers []string) ([]*Redemption, error) {
	if len(peers) == 0 {
		return nil, nil
	}
	var told *redis.SliceCmd
	err := s.Pipelined(ctx, func(p redis.Pipeliner) { told = p.HMGet(ctx, found.Place.Redemptions(), peers...) })
	if err != nil {
		return nil, err
	}
	var all []*Redemption
	for i, one := range told.Val() {
		if redisdb.Text(one) == "" {
			continue // deleted meanwhile
		}
		r, err := RedemptionOf(found.Key, peers[i], redisdb.Text(one))
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func refusalsOf(notes []string) []Refusal {
	var all []Refusal
	for _, note := range notes {
		var one Refusal
		if json.Unmarshal([]byte(note), &one) == nil {
			all = append(all, one)
		}
	}
	return all
}
