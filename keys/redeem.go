package keys

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"
)

//go:embed redeem.lua
var redeemLua string

var redeemScript = NewScript(redeemLua)

// Bounds of a redemption.
const (
	MaxPeer      = 256 // bytes
	MaxDNSLabels = 32
	maxDomain    = 253 // bytes
)

// RedeemRequest asks for a setup key's groups on behalf of a peer.
type RedeemRequest struct {
	Secret         Secret // in either case
	Peer           string // whatever tells it from others, such as its public key
	ExtraDNSLabels []string
}

// Redemption is what a peer was told when it redeemed a setup key for the first
// time, and is told whenever it does so again.
type Redemption struct {
	Key       *Key
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
func (s *SetupStore) Redeem(ctx context.Context, a Access, r RedeemRequest) (*Redemption, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	at := NewSecret(strings.ToUpper(r.Secret.text)).Digest().place()
	for range tries {
		found, err := s.loadFrom(ctx, ownScript, at, a.WorkspaceID)
		if err != nil {
			return nil, err
		}
		if found == nil || found.key.Setup == nil || found.key.WorkspaceID != a.WorkspaceID {
			return nil, firstError(a.check(""), refusedRedemption("", RedeemUnknown))
		}
		if err := a.check(found.key.ID); err != nil {
			return nil, err
		}
		status, told, err := s.redeem(ctx, found, r)
		switch {
		case err != nil:
			return nil, err
		case status == "redeemed":
			return redemptionOf(found.key, r.Peer, told)
		case status != "changed":
			s.noteRefusal(ctx, found, r.Peer, RedeemReason(status))
			return nil, refusedRedemption(found.key.ID, RedeemReason(status))
		}
	}
	return nil, Unavailable(errBusy)
}

// redeem looks first: who redeemed the key before, or is refused, needs no claim.
// claims.go says why the order is as it is.
func (s *SetupStore) redeem(ctx context.Context, found *stored, r RedeemRequest) (status, told string, err error) {
	k := found.key
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
func (s *SetupStore) tryRedeem(ctx context.Context, found *stored, r RedeemRequest, token string) (status, told string, err error) {
	k := found.key
	if k.Disabled {
		return string(k.setupState(1, found.now)), "", nil
	}
	beyond := "0"
	if len(r.ExtraDNSLabels) > 0 && !k.Setup.ExtraDNSLabels {
		beyond = "1"
	}
	at := found.place
	reply, err := s.run(ctx, redeemScript, []string{at.record(), at.redemptions(), at.peers(), at.withdrawn()},
		string(found.revision), k.Expires, k.Setup.capacity(), r.Peer, beyond, string(encode(k.Setup.Groups)), token)
	if err != nil {
		return "", "", err
	}
	if len(reply) != 2 {
		return "", "", errCorrupt
	}
	status, told = text(reply[0]), text(reply[1])
	if status == "denied" {
		status = string(RedeemDenied)
	}
	return status, told, nil
}

func refusedRedemption(keyID string, reason RedeemReason) error {
	e := Errorf(KindNotFound, "setup_key", "couldn't add peer: setup key is invalid")
	if reason == RedeemDenied {
		e = Errorf(KindPrecondition, "setup_key", "couldn't add peer: setup key doesn't allow extra DNS labels")
	}
	if reason == RedeemClaimed {
		e = Errorf(KindPrecondition, "setup_key", "couldn't add peer: peer has been already registered with another setup key")
	}
	e.Err = &RedemptionError{keyID, reason}
	return e
}

// redemptionOf reads what redeem.lua wrote.
func redemptionOf(k *Key, peer, told string) (*Redemption, error) {
	if len(told) < 14 {
		return nil, errCorrupt
	}
	r := &Redemption{Key: k, Peer: peer, At: u56(told), UsedTimes: u56(told[7:])}
	return r, decoding.Unmarshal([]byte(told[14:]), &r.Groups)
}

// domainPattern is a domain name, or a wildcard below one.
var domainPattern = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$`)

func (r *RedeemRequest) check() error {
	switch {
	case r.Secret.text == "":
		return Invalidf("key", "setup key shouldn't be empty")
	case strings.TrimSpace(r.Peer) == "":
		return Invalidf("peer", "peer shouldn't be empty")
	case len(r.Peer) > MaxPeer:
		return Invalidf("peer", "peer has at most %d bytes", MaxPeer)
	case !utf8.ValidString(r.Peer) || strings.ContainsFunc(r.Peer, unicode.IsControl):
		return Invalidf("peer", "peer has no control characters")
	case len(r.ExtraDNSLabels) > MaxDNSLabels:
		return Invalidf("extra_dns_labels", "extra_dns_labels has at most %d labels", MaxDNSLabels)
	}
	for _, label := range r.ExtraDNSLabels {
		if len(label) > maxDomain || !domainPattern.MatchString(label) {
			return Invalidf("extra_dns_labels", "extra_dns_labels: %s is not a domain", Redact(label))
		}
	}
	return nil
}

// Refusals are kept to be looked at, not for ever and not all.
const (
	keptRefusals   = 100
	refusalsExpire = 30 * 24 * time.Hour
)

// Refusal is a redemption of a key that was refused.
type Refusal struct {
	Peer   string       `json:"peer"`
	At     int64        `json:"at"` // unix ms
	Reason RedeemReason `json:"reason"`
}

// noteRefusal remembers a refusal beside the key. It is no part of the decision:
// where it fails, the log has it.
func (s *SetupStore) noteRefusal(ctx context.Context, found *stored, peer string, reason RedeemReason) {
	note, _ := json.Marshal(Refusal{peer, found.now, reason}) // strings always encode
	name := found.place.refusals()
	_ = s.pipelined(ctx, func(p redis.Pipeliner) {
		p.LPush(ctx, name, note)
		p.LTrim(ctx, name, 0, keptRefusals-1)
		p.Expire(ctx, name, refusalsExpire)
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
func (s *SetupStore) Redemptions(ctx context.Context, a Access, id string, offset, count int64) (*Redemptions, error) {
	if err := a.check(id); err != nil {
		return nil, err
	}
	found, err := s.loadSetupKey(ctx, a.WorkspaceID, id)
	if err != nil {
		return nil, err
	}
	var total *redis.IntCmd
	var peers, notes *redis.StringSliceCmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		total = p.ZCard(ctx, found.place.peers())
		peers = p.ZRange(ctx, found.place.peers(), offset, offset+count-1)
		notes = p.LRange(ctx, found.place.refusals(), 0, keptRefusals-1)
	})
	if err != nil {
		return nil, err
	}
	out := &Redemptions{Total: total.Val(), Refused: refusalsOf(notes.Val())}
	out.Redeemed, err = s.redemptionsOf(ctx, found, peers.Val())
	return out, err
}

// redemptionsOf reads what peers were told.
func (s *SetupStore) redemptionsOf(ctx context.Context, found *stored, peers []string) ([]*Redemption, error) {
	if len(peers) == 0 {
		return nil, nil
	}
	var told *redis.SliceCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) { told = p.HMGet(ctx, found.place.redemptions(), peers...) })
	if err != nil {
		return nil, err
	}
	var all []*Redemption
	for i, one := range told.Val() {
		if text(one) == "" {
			continue // deleted meanwhile
		}
		r, err := redemptionOf(found.key, peers[i], text(one))
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
