package verify

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"tollgate/keys"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// Options of a Verifier. The zero value works.
type Options struct {
	// CacheBytes bounds the memory of decoded records, roughly. 0 is 64 MiB.
	CacheBytes uint64
	// Timeout is how long a request waits for Redis in all. 0 is keys.DefaultTimeout.
	Timeout time.Duration
	// MaxCounters bounds how many counters the requests of a workspace may make, roughly:
	// those of limits that verifications bring and of namespaces' identifiers. Past it they
	// are refused; stored limits never are. 0 is keys.DefaultMaxCounters.
	MaxCounters int64
	Observer    Observer // nil for none
	// UnknownRootKey is told of each root key that the store proved not to have, with
	// the Request's Source. Its error, if any, is the answer. Nil for none.
	UnknownRootKey func(source netip.Addr) error
}

// Verifier verifies keys of a store. It is safe for concurrent use.
type Verifier struct {
	store    *keys.Store
	cache    *otter.Cache[keys.Digest, *entry]
	askers   *otter.Cache[keys.Digest, *asker]
	reads    singleflight.Group
	lines    map[string]*line // by shard on a Cluster, otherwise the one of ""
	lookups  *lookups
	observer Observer
	unknown  func(source netip.Addr) error
}

// New makes a Verifier on a store.
func New(store *keys.Store, o Options) *Verifier {
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = keys.DefaultTimeout
	}
	if o.MaxCounters == 0 {
		o.MaxCounters = keys.DefaultMaxCounters
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.UnknownRootKey == nil {
		o.UnknownRootKey = func(netip.Addr) error { return nil }
	}
	v := &Verifier{
		store: store,
		cache: otter.Must(&otter.Options[keys.Digest, *entry]{
			MaximumWeight: o.CacheBytes,
			Weigher:       func(_ keys.Digest, e *entry) uint32 { return e.weight() },
		}),
		askers:   otter.Must(&otter.Options[keys.Digest, *asker]{MaximumSize: maxAskers}),
		lines:    newLines(store, o),
		observer: o.Observer,
		unknown:  o.UnknownRootKey,
	}
	v.lookups = newLookups(v, o)
	return v
}

// Request is what is asked of a key.
type Request struct {
	Secret      keys.Secret
	By          keys.Secret // the root key that asks: what it may not verify is not found; without one nobody is asked for
	WorkspaceID string      // a key of another workspace is not found; "" takes every workspace
	APIID       string      // a key of another API is forbidden; "" takes every API
	Root        bool        // a root key is asked for, and no other is found; without it an API key
	Permissions Query
	Cost        int64          // credits, 0 or more; only a key with a balance spends them
	Limits      []LimitRequest // beside the stored limits that always apply
	Tags        []string       // for the usage counts; they decide nothing
	Address     netip.Addr     // of whoever uses the key; an API may allow some alone
	Source      netip.Addr     // by what requests are counted: root keys that are not known yet are looked up in turn by it
}

// LimitRequest asks for a limit: a stored one by its name, or one of the request's
// own, counted for this key.
type LimitRequest struct {
	Name     string
	Cost     int64 // 0 looks and takes nothing
	Own      bool  // it brings the two below
	Limit    int64
	Duration int64 // ms, up to keys.MaxDuration, whoever asks
}

// maxLimits bounds how many limits one verification looks at.
const maxLimits = 120

// tries bounds how often a verification starts again because the key changed while
// it was decided.
const tries = 8

var errChanging = errors.New("the key kept changing while it was verified")

// Verify decides, and spends if the answer is Valid. Errors are *keys.Error:
// KindInvalid for a request that can't be decided, KindPrecondition about a
// "ratelimit" that is named and not there, KindUnavailable where the store did not
// say yes or no: then the use was spent once or not at all.
func (v *Verifier) Verify(ctx context.Context, r *Request) (*Outcome, error) {
	outcome, err := v.verify(ctx, r)
	v.observer.Verified(r, outcome, err)
	return outcome, err
}

func (v *Verifier) verify(ctx context.Context, r *Request) (*Outcome, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	var by *asker
	var outcome *Outcome
	err := errAsker
	for range tries {
		if errors.Is(err, errAsker) {
			by, err = v.asker(ctx, r)
		}
		if err == nil {
			outcome, err = v.attempt(ctx, r, by)
		}
		if outcome != nil || err != nil && !errors.Is(err, errAsker) {
			return outcome, by.certain(err)
		}
	}
	return nil, keys.Unavailable(errChanging)
}

// attempt gives neither an outcome nor an error where it has to be made again.
func (v *Verifier) attempt(ctx context.Context, r *Request, by *asker) (*Outcome, error) {
	digest := r.Secret.Digest()
	known, err := v.find(ctx, r, digest, by)
	if err != nil {
		return nil, err
	}
	if known == nil {
		return &Outcome{Code: NotFound}, nil
	}
	return v.ask(ctx, r, by, digest, known)
}

func (v *Verifier) find(ctx context.Context, r *Request, d keys.Digest, by *asker) (*entry, error) {
	if r.Root {
		return v.knownRoot(ctx, d, r.Source)
	}
	return v.known(ctx, d, by)
}

// check refuses what has no answer.
func (r *Request) check() error {
	if r.Cost < 0 || r.Cost > keys.MaxCount {
		return keys.Invalidf("remaining.cost", "a whole number from 0 to %d", int64(keys.MaxCount))
	}
	if len(r.Limits) > MaxRequestLimits {
		return keys.Invalidf("ratelimits", "at most %d", MaxRequestLimits)
	}
	for i := range r.Limits {
		if err := r.Limits[i].check(i); err != nil {
			return err
		}
	}
	return nil
}

// known gives the key of a digest from memory, or reads it; nil where none is, and
// who asks may ask. One that the root key may not know of is none, and takes as many
// calls as none: one, which confirms the root key.
func (v *Verifier) known(ctx context.Context, d keys.Digest, by *asker) (*entry, error) {
	for range tries {
		if known, ok := v.cache.GetIfPresent(d); ok && known.key != nil {
			if !by.hides(known.key) {
				return known, nil
			}
			if again, err := v.confirmHidden(ctx, d, by, known); !again {
				return nil, err
			}
			continue
		}
		known, again, err := v.readOnce(ctx, d, by)
		if !again {
			return known, err
		}
	}
	return nil, keys.Unavailable(errChanging)
}

// readOnce is read, which goes once for all who want the same key for the same root key at
// the same time. What they get from one that began before they came is a record alone:
// it is confirmed in the call that spends, however old it is. That there is none would
// not be, so for that the one who came later waits for the next.
func (v *Verifier) readOnce(ctx context.Context, d keys.Digest, by *asker) (known *entry, again bool, err error) {
	name, mine := string(d[:]), false
	if by != nil {
		name += string(by.digest[:])
	}
	for tried := 0; tried < 2 && !mine && known == nil; tried++ {
		var got any
		got, err, _ = v.reads.Do(name, func() (any, error) {
			mine = true
			known, again, err := v.read(ctx, d, by)
			return reading{known, again}, err
		})
		known, again = got.(reading).known, got.(reading).again
	}
	return known, again, err
}

// reading is what read returns.
type reading struct {
	known *entry
	again bool
}

// read reads the key of a digest: the record in its place, or the one to which a pointer
// there leads. A pointer that is remembered saves a call, and proves nothing: where it leads
// to no key of the digest, the digest's own place decides. It is to be read again where
// somebody else is being told what it is. A setup key is answered like a digest that nothing
// has, in the same call: what the store just said decides.
func (v *Verifier) read(ctx context.Context, d keys.Digest, by *asker) (known *entry, again bool, err error) {
	at, remembered := d, false
	if e, ok := v.cache.GetIfPresent(d); ok && e.key == nil {
		at, remembered = *e.home, true
	}
	for range 3 {
		there, err := v.readAt(ctx, at, by)
		if err != nil || there.again || there.absent && !remembered {
			return nil, there.again, err
		}
		if there.absent {
			v.cache.Invalidate(d)
			at, remembered = d, false
			continue
		}
		known, record, err := v.remember(d, there.stored)
		switch {
		case err == nil && by.hides(record) && (known != nil || !remembered): // also by its pointer
			return nil, false, by.ended(there.now)
		case err != nil || known != nil:
			return known, false, err
		case record.Home != nil && at == d:
			at = *record.Home
		case record.Home != nil, at == d && !record.Digest.Equal(d):
			return nil, false, errForeign
		case !remembered:
			return nil, false, by.ended(there.now)
		default:
			at, remembered = d, false
		}
	}
	return nil, true, nil
}

// located is what a place was read as.
type located struct {
	stored string
	absent bool // nothing is there, and who asks may ask
	again  bool // somebody else is being told what is there
	now    int64
}

func (v *Verifier) readAt(ctx context.Context, d keys.Digest, by *asker) (located, error) {
	p := plans.Get().(*plan)
	defer p.release()
	name, shard := d.RecordName()
	p.guards = by.appendGuards(p.guards, v.store, shard)
	c := &p.call
	if c.workspace = ""; by != nil {
		c.workspace = by.WorkspaceID
	}
	c.began, c.shard, c.record, c.prefix, c.verdict, c.guards = began(ctx), shard, name, unknown, verdictBefore, p.guards
	if err := v.line(shard).do(c); err != nil {
		return located{}, err
	}
	switch c.reply.status {
	case replyAbsent:
		return located{absent: true}, by.ended(c.reply.now)
	case replyLost:
		err := v.store.Mark(ctx) // of a store that was never used the key is not found
		return located{again: err == nil}, err
	case replyGuard:
		return located{}, v.forget(ctx, by, shard, c.reply.prefix)
	case replyRecord:
		return located{stored: c.reply.stored, now: c.reply.now}, nil
	}
	return located{again: true}, nil
}

// confirmHidden has the script confirm a key that is hidden from who asks, in one call as a
// key is looked for that nobody has, and of which as little comes back. It is to be looked
// for again where it is another one by now.
func (v *Verifier) confirmHidden(ctx context.Context, d keys.Digest, by *asker, e *entry) (again bool, err error) {
	p := plans.Get().(*plan)
	defer p.release()
	p.guards = by.appendGuards(p.guards, v.store, e.shard)
	c := &p.call
	if by != nil {
		c.workspace = by.WorkspaceID
	}
	c.began, c.shard, c.record, c.prefix, c.slots = began(ctx), e.shard, e.record, e.prefix, len(e.key.Limits)
	c.verdict, c.guards = verdictBefore, p.guards
	if err := v.line(e.shard).do(c); err != nil {
		return false, err
	}
	switch c.reply.status {
	case replyGuard:
		return false, v.forget(ctx, by, e.shard, c.reply.prefix)
	case replyAbsent:
		v.cache.Invalidate(d)
		if e.pointed() {
			return true, nil // what is in the secret's own place now decides
		}
	case replyLost:
		err := v.store.Mark(ctx)
		return err == nil, err
	case replyRecord:
		_, _, err := v.remember(d, c.reply.stored)
		return err == nil, err
	case replySame:
		runtime.Gosched()
		return true, nil
	}
	return false, by.ended(c.reply.now)
}

// remember keeps a record that was read for a secret's digest, for each secret that it names:
// it is told to one alone of those who ask together. It gives the entry of that secret, nil
// where the record does not name it, or is a pointer, which is remembered as well.
func (v *Verifier) remember(d keys.Digest, stored string) (known *entry, record *keys.Key, err error) {
	record, _, prefix, err := keys.DecodeKey(stored)
	if err != nil {
		return nil, nil, err
	}
	if record.Home != nil {
		v.cache.SetIfAbsent(d, &entry{home: record.Home}) // somebody may have the key by now
		return nil, record, nil
	}
	for _, key := range record.Issues() {
		e := newEntry(key, prefix)
		v.cache.Set(key.Digest, e)
		if key.Digest.Equal(d) {
			known = e
		}
	}
	if known == nil {
		v.cache.Invalidate(d)
	}
	return known, record, nil
}

// ask decides on a known key and has the script confirm it. It gives neither an
// outcome nor an error where the key turned out to be another one by now.
func (v *Verifier) ask(ctx context.Context, r *Request, by *asker, d keys.Digest, e *entry) (*Outcome, error) {
	t, err := v.ticket(ctx, e)
	if err != nil {
		return nil, err
	}
	p := v.plan(r, by, e, t)
	defer p.release()
	p.call.began = began(ctx)
	if p.err == nil && v.store.Cluster() && p.shared() {
		return v.askApart(ctx, d, e, p)
	}
	if err := v.line(e.shard).do(&p.call); err != nil {
		return nil, err
	}
	return v.conclude(ctx, d, e, p)
}

// ticket gives what the key refers to. Only API keys refer to anything that decides.
func (v *Verifier) ticket(ctx context.Context, e *entry) (*ticket, error) {
	if t := e.ticket.Load(); t != nil && t.stands() {
		return t, nil
	}
	resolved, err := &keys.Resolved{}, error(nil)
	if e.key.IsAPIKey() {
		if resolved, err = v.store.Resolve(ctx, e.key); err != nil {
			return nil, err
		}
	}
	t := newTicket(v.store, e, resolved)
	e.ticket.Store(t)
	return t, nil
}

// conclude reads the script's reply to a plan.
func (v *Verifier) conclude(ctx context.Context, d keys.Digest, e *entry, p *plan) (*Outcome, error) {
	switch reply := &p.call.reply; reply.status {
	case replyAbsent:
		v.cache.Invalidate(d)
		if err := p.by.ended(reply.now); err != nil {
			return nil, err
		}
		if e.pointed() {
			return nil, nil // what is in the secret's own place now decides
		}
		return &Outcome{Code: NotFound, Now: reply.now}, nil
	case replyLost:
		return nil, v.store.Mark(ctx)
	case replyRecord:
		_, _, err := v.remember(d, reply.stored)
		return nil, err
	case replySame: // whoever was told the record is about to remember it
		runtime.Gosched()
		return nil, nil
	case replyGuard:
		revisions := p.ticket.resolved.Revisions
		if reply.guard >= len(revisions) {
			return nil, v.forget(ctx, p.by, e.shard, reply.prefix)
		}
		e.ticket.CompareAndSwap(p.ticket, nil)
		return nil, v.store.Refresh(ctx, e.key, revisions[reply.guard], reply.prefix)
	case replyKeyFull, replyFull:
		if err := p.by.ended(reply.now); err != nil {
			return nil, err
		}
		return nil, v.tooMany(reply.status)
	}
	return p.outcome()
}

// plan is what a verification comes to, as far as the record in memory tells. It
// is used again once its outcome was read.
type plan struct {
	store   *keys.Store
	call    call
	by      *asker
	entry   *entry
	ticket  *ticket
	refusal Code // "" where the script decides
	err     error
	limits  []LimitState
	grown   bool // the entry takes more memory than before

	// Room for those of the call, where the ticket's do not suffice.
	guards  []guard
	states  []LimitState
	windows []window
}

var plans = sync.Pool{New: func() any { return new(plan) }}

func (p *plan) release() {
	clear(p.guards)
	clear(p.states)
	clear(p.windows)
	*p = plan{guards: p.guards[:0], states: p.states[:0], windows: p.windows[:0], call: call{done: p.call.done}}
	plans.Put(p)
}

func (v *Verifier) plan(r *Request, by *asker, e *entry, t *ticket) *plan {
	k, p := e.key, plans.Get().(*plan)
	p.store, p.by, p.entry, p.ticket = v.store, by, e, t
	c := &p.call
	c.workspace, c.shard, c.record, c.prefix, c.slots = k.WorkspaceID, e.shard, e.record, e.prefix, len(k.Limits)
	c.expires, c.limited, c.cost = by.until(k.Expires), k.Limited, r.Cost
	if k.Refill != nil {
		c.amount, c.day = k.Refill.Amount, k.Refill.Day
	}
	c.guards = t.guards
	if by != nil {
		p.guards = by.appendGuards(append(p.guards, t.guards...), v.store, e.shard)
		c.guards = p.guards
	}
	if p.decide(r); p.grown {
		v.weigh(e)
	}
	return p
}

// weigh makes the cache count anew what an entry takes.
func (v *Verifier) weigh(e *entry) {
	v.cache.ComputeIfPresent(e.key.Digest, func(there *entry) (*entry, otter.ComputeOp) {
		if there != e {
			return there, otter.CancelOp
		}
		return e, otter.WriteOp
	})
}

// decide is the order of checks. What it leaves to the script is expiry, which
// stands between the first four and the last three, the limits and the credits.
func (p *plan) decide(r *Request) {
	k, resolved := p.entry.key, p.ticket.resolved
	switch {
	case k.Setup != nil: // it is redeemed, never verified: nobody asks for one here
		p.refuse(NotFound, verdictBefore)
	case r.Root && k.Root == nil:
		p.err = keys.Errorf(keys.KindNotRootKey, "key", "root key required")
		p.refuse("", verdictBefore)
	case r.Root != (k.Root != nil), p.by.blind(k), k.Migration != "", r.WorkspaceID != "" && r.WorkspaceID != k.WorkspaceID, k.Root == nil && resolved.API == nil:
		p.refuse(NotFound, verdictBefore)
	case k.Disabled:
		p.refuse(Disabled, verdictBefore)
	case r.APIID != "" && r.APIID != k.APIID:
		p.refuse(Forbidden, verdictBefore)
	case k.Root == nil && !allowed(resolved.API.AllowedIPs, r.Address):
		p.refuse(Forbidden, verdictAfter)
	case !r.Permissions.Holds(resolved.Permissions):
		p.refuse(InsufficientPermissions, verdictAfter)
	default:
		if p.err = p.addLimits(r); p.err != nil {
			p.refuse("", verdictAfter)
		}
	}
}

func (p *plan) refuse(code Code, verdict byte) {
	p.refusal, p.call.verdict = code, verdict
	p.call.windows, p.limits = nil, nil
}

// addLimits looks at the limits that always apply and at the request's.
func (p *plan) addLimits(r *Request) error {
	p.limits, p.call.windows = p.ticket.limits, p.ticket.windows
	if len(r.Limits) == 0 {
		return nil
	}
	l := limits{store: p.store, entry: p.entry, resolved: p.ticket.resolved, states: append(p.states, p.limits...), windows: append(p.windows, p.call.windows...)}
	for i := range r.Limits {
		if err := l.addAsked(&r.Limits[i]); err != nil {
			return err
		}
	}
	p.states, p.windows, p.grown = l.states, l.windows, l.grown
	p.limits, p.call.windows = l.states, l.windows
	return nil
}

// outcome reads what the script decided or confirmed.
func (p *plan) outcome() (*Outcome, error) {
	reply := &p.call.reply
	if err := p.by.ended(reply.now); err != nil {
		return nil, err // and nothing was spent
	}
	o := &Outcome{Key: p.entry.key, Resolved: p.ticket.resolved, Remaining: reply.balance, Now: reply.now}
	switch reply.status {
	case replyExpired:
		o.Code = Expired
	case replyLimited:
		o.Code = RateLimited
	case replyUsed:
		o.Code = UsageExceeded
	case replyValid:
		o.Code = Valid
	case replyConfirm:
		if p.err != nil {
			return nil, p.err
		}
		if o.Code = p.refusal; o.Code == NotFound {
			return &Outcome{Code: NotFound, Now: reply.now}, nil
		}
	}
	if o.Limits = o.one[:0]; len(reply.rooms) > len(o.one) {
		o.Limits = make([]LimitState, 0, len(reply.rooms))
	}
	for i, left := range reply.rooms {
		state := p.limits[i]
		state.Remaining, state.Exceeded = left.left, left.denied
		state.Reset = (reply.now/state.Duration + 1) * state.Duration
		o.Limits = append(o.Limits, state)
	}
	return o, nil
}

// allowed tells whether an API that allows some addresses alone allows this one.
// An entry is an address or a network such as 10.0.0.0/8.
func allowed(list []string, address netip.Addr) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(entry string) bool {
		if network, err := netip.ParsePrefix(entry); err == nil {
			return network.Contains(address.Unmap())
		}
		one, err := netip.ParseAddr(entry)
		return err == nil && one.Unmap() == address.Unmap()
	})
}

// check refuses a limit that has no meaning.
func (l *LimitRequest) check(i int) error {
	field := func(name string) string { return "ratelimits." + itoa(i) + "." + name }
	if l.Cost < 0 || l.Cost > keys.MaxCount {
		return keys.Invalidf(field("cost"), "a whole number from 0 to %d", int64(keys.MaxCount))
	}
	if !l.Own {
		return nil
	}
	if l.Limit < 1 || l.Limit > keys.MaxCount {
		return keys.Invalidf(field("limit"), "a whole number from 1 to %d", int64(keys.MaxCount))
	}
	return keys.CheckDuration(field("duration"), l.Duration)
}
