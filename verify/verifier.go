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
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"
	"tollgate/ratelimit"

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
	store    *store.Store
	cache    *otter.Cache[keys.Digest, *entry]
	rootKeys *otter.Cache[keys.Digest, *rootKey]
	reads    singleflight.Group
	batchers map[string]*batcher // by shard on a Cluster, otherwise the one of ""
	lookups  *lookups
	observer Observer
	unknown  func(source netip.Addr) error
}

// New makes a Verifier on a store.
func New(store *store.Store, o Options) *Verifier {
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = redisdb.DefaultTimeout
	}
	if o.MaxCounters == 0 {
		o.MaxCounters = catalog.DefaultMaxCounters
	}
	if o.Observer == nil {
		o.Observer = noObserver{}
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
		rootKeys: otter.Must(&otter.Options[keys.Digest, *rootKey]{MaximumSize: maxRootKeys}),
		batchers: newBatchers(store, o),
		observer: o.Observer,
		unknown:  o.UnknownRootKey,
	}
	v.lookups = newLookups(v, o)
	return v
}

// Request is what is asked of a key.
type Request struct {
	Secret      keys.Secret
	RootKey     keys.Secret // the root key that asks: what it may not verify is not found; without one nobody is asked for
	WorkspaceID string      // a key of another workspace is not found; "" takes every workspace
	APIID       string      // a key of another API is forbidden; "" takes every API
	Root        bool        // a root key is asked for, and no other is found; without it an API key
	Permissions Query
	Cost        int64          // credits; 0 is 1, Free spends none; only a key with a balance spends them
	Limits      []LimitRequest // beside the stored limits that always apply
	Tags        []string       // for the usage counts; they decide nothing
	Address     netip.Addr     // of whoever uses the key; an API may allow some alone
	Source      netip.Addr     // by what requests are counted: root keys that are not known yet are looked up in turn by it
}

// LimitRequest asks for a limit: a stored one by its name, or one of the request's
// own, counted for this key.
type LimitRequest struct {
	Name     string
	Cost     int64 // 0 is 1; Free looks and takes nothing
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
	var root *rootKey
	var outcome *Outcome
	err := errRootKeyChanged
	for range tries {
		if errors.Is(err, errRootKeyChanged) {
			root, err = v.rootKey(ctx, r)
		}
		if err == nil {
			outcome, err = v.attempt(ctx, r, root)
		}
		if outcome != nil || err != nil && !errors.Is(err, errRootKeyChanged) {
			return outcome, root.certain(err)
		}
	}
	return nil, redisdb.Unavailable(errChanging)
}

// attempt returns neither an outcome nor an error where it has to be made again.
func (v *Verifier) attempt(ctx context.Context, r *Request, root *rootKey) (*Outcome, error) {
	digest := r.Secret.Digest()
	known, err := v.find(ctx, r, digest, root)
	if err != nil {
		return nil, err
	}
	if known == nil {
		return &Outcome{Code: NotFound}, nil
	}
	return v.execute(ctx, r, root, digest, known)
}

func (v *Verifier) find(ctx context.Context, r *Request, d keys.Digest, root *rootKey) (*entry, error) {
	if r.Root {
		return v.knownRoot(ctx, d, r.Source)
	}
	return v.known(ctx, d, root)
}

// check refuses what has no answer.
func (r *Request) check() error {
	if err := checkCost("remaining.cost", r.Cost); err != nil {
		return err
	}
	if len(r.Limits) > MaxRequestLimits {
		return keys.Invalidf("ratelimits", "at most %d", MaxRequestLimits)
	}
	for i := range r.Limits {
		if err := r.Limits[i].check(); err != nil {
			return keys.Within(keys.LimitPath(i), err)
		}
	}
	return nil
}

// known returns the key of a digest from memory, or reads it; nil where none is, and
// who asks may ask. One that the root key may not know of is none, and takes as many
// calls as none: one, which confirms the root key.
func (v *Verifier) known(ctx context.Context, d keys.Digest, root *rootKey) (*entry, error) {
	for range tries {
		if known, ok := v.cache.GetIfPresent(d); ok && known.key != nil {
			if !root.hides(known.key) {
				return known, nil
			}
			if again, err := v.confirmHidden(ctx, d, root, known); !again {
				return nil, err
			}
			continue
		}
		known, again, err := v.readOnce(ctx, d, root)
		if !again {
			return known, err
		}
	}
	return nil, redisdb.Unavailable(errChanging)
}

// readOnce is read, which goes once for all who want the same key for the same root key at
// the same time. What they get from one that began before they came is a record alone:
// it is confirmed in the call that spends, however old it is. That there is none would
// not be, so for that the one who came later waits for the next.
func (v *Verifier) readOnce(ctx context.Context, d keys.Digest, root *rootKey) (known *entry, again bool, err error) {
	name, mine := string(d[:]), false
	if root != nil {
		name += string(root.digest[:])
	}
	for tried := 0; tried < 2 && !mine && known == nil; tried++ {
		var got any
		got, err, _ = v.reads.Do(name, func() (any, error) {
			mine = true
			known, again, err := v.read(ctx, d, root)
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
// another call of the same batch was given the record. A setup key is answered like a digest that nothing
// has, in the same call: what the store just said decides.
func (v *Verifier) read(ctx context.Context, d keys.Digest, root *rootKey) (known *entry, again bool, err error) {
	at, remembered := d, false
	if e, ok := v.cache.GetIfPresent(d); ok && e.key == nil {
		at, remembered = *e.target, true
	}
	for range 3 {
		there, err := v.readAt(ctx, at, root)
		if err != nil || there.again || there.absent && !remembered {
			return nil, there.again, err
		}
		if there.absent {
			v.cache.Invalidate(d)
			at, remembered = d, false
			continue
		}
		known, record, err := v.cacheRecord(d, there.stored)
		switch {
		case err == nil && root.hides(record) && (known != nil || !remembered): // also by its pointer
			return nil, false, root.checkExpiry(there.now)
		case err != nil || known != nil:
			return known, false, err
		case record.Target != nil && at == d:
			at = *record.Target
		case record.Target != nil, at == d && !record.Digest.Equal(d):
			return nil, false, errForeign
		case !remembered:
			return nil, false, root.checkExpiry(there.now)
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
	again  bool // another call of the same batch was given what is there
	now    int64
}

func (v *Verifier) readAt(ctx context.Context, d keys.Digest, root *rootKey) (located, error) {
	p := plans.Get().(*plan)
	defer p.release()
	name, shard := layout.RecordName(d)
	p.guards = root.appendGuards(p.guards, v.store, shard)
	c := &p.call
	if c.workspace = ""; root != nil {
		c.workspace = root.WorkspaceID
	}
	c.began, c.shard, c.record, c.revision, c.verdict, c.guards = began(ctx), shard, name, unknownRevision, verdictBefore, p.guards
	c.timed = root != nil && root.expires != 0
	if err := v.batcher(shard).do(c); err != nil {
		return located{}, err
	}
	switch c.reply.status {
	case replyAbsent:
		return located{absent: true}, root.checkExpiry(c.reply.now)
	case replyLost:
		err := v.store.Mark(ctx) // of a store that was never used the key is not found
		return located{again: err == nil}, err
	case replyGuard:
		return located{}, v.refreshRootKey(ctx, root, shard, c.reply.revision)
	case replyRecord:
		return located{stored: c.reply.stored, now: c.reply.now}, nil
	}
	return located{again: true}, nil
}

// confirmHidden has the script confirm a key that is hidden from who asks, in one call as a
// key is looked for that nobody has, and of which as little comes back. It is to be looked
// for again where it is another one by now.
func (v *Verifier) confirmHidden(ctx context.Context, d keys.Digest, root *rootKey, e *entry) (again bool, err error) {
	p := plans.Get().(*plan)
	defer p.release()
	p.guards = root.appendGuards(p.guards, v.store, e.shard)
	c := &p.call
	if root != nil {
		c.workspace = root.WorkspaceID
	}
	c.began, c.shard, c.record, c.revision, c.slots = began(ctx), e.shard, e.record, e.revision, len(e.key.Limits)
	c.verdict, c.guards, c.timed = verdictBefore, p.guards, root != nil && root.expires != 0
	if err := v.batcher(e.shard).do(c); err != nil {
		return false, err
	}
	switch c.reply.status {
	case replyGuard:
		return false, v.refreshRootKey(ctx, root, e.shard, c.reply.revision)
	case replyAbsent:
		v.cache.Invalidate(d)
		if e.viaPointer() {
			return true, nil // what is in the secret's own place now decides
		}
	case replyLost:
		err := v.store.Mark(ctx)
		return err == nil, err
	case replyRecord:
		_, _, err := v.cacheRecord(d, c.reply.stored)
		return err == nil, err
	case replySame:
		runtime.Gosched()
		return true, nil
	}
	return false, root.checkExpiry(c.reply.now)
}

// cacheRecord keeps a record that was read for a secret's digest, for each secret that it names:
// of the calls of a batch that ask for it, one alone is given it. It returns the entry of that secret, nil
// where the record does not name it, or is a pointer, which is remembered as well.
func (v *Verifier) cacheRecord(d keys.Digest, stored string) (known *entry, record *keys.Key, err error) {
	record, _, revision, err := layout.DecodeKey(stored)
	if err != nil {
		return nil, nil, err
	}
	if record.Target != nil {
		v.cache.SetIfAbsent(d, &entry{target: record.Target}) // somebody may have the key by now
		return nil, record, nil
	}
	for _, key := range record.BySecret() {
		e := newEntry(key, revision)
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

// execute decides on a known key and has the script confirm it. It returns neither an
// outcome nor an error where the key turned out to be another one by now.
func (v *Verifier) execute(ctx context.Context, r *Request, root *rootKey, d keys.Digest, e *entry) (*Outcome, error) {
	t, err := v.snapshot(ctx, e)
	if err != nil {
		return nil, err
	}
	p := v.plan(r, root, e, t)
	defer p.release()
	p.call.began = began(ctx)
	if p.err == nil && v.store.Cluster() && p.crossesSlots() {
		return v.executeCrossSlot(ctx, d, e, p)
	}
	if err := v.batcher(e.shard).do(&p.call); err != nil {
		return nil, err
	}
	return v.conclude(ctx, d, e, p)
}

// snapshot returns what the key refers to. Only API keys refer to anything that decides.
func (v *Verifier) snapshot(ctx context.Context, e *entry) (*snapshot, error) {
	if t := e.snapshot.Load(); t != nil && t.fresh() {
		return t, nil
	}
	resolved, err := &catalog.Resolved{}, error(nil)
	if e.key.IsAPIKey() {
		if resolved, err = v.store.Resolve(ctx, e.key); err != nil {
			return nil, err
		}
	}
	t := newSnapshot(v.store, e, resolved)
	e.snapshot.Store(t)
	return t, nil
}

// conclude reads the script's reply to a plan.
func (v *Verifier) conclude(ctx context.Context, d keys.Digest, e *entry, p *plan) (*Outcome, error) {
	switch reply := &p.call.reply; reply.status {
	case replyAbsent:
		v.cache.Invalidate(d)
		if err := p.rootKey.checkExpiry(reply.now); err != nil {
			return nil, err
		}
		if e.viaPointer() {
			return nil, nil // what is in the secret's own place now decides
		}
		return &Outcome{Code: NotFound, Now: reply.now}, nil
	case replyLost:
		return nil, v.store.Mark(ctx)
	case replyRecord:
		_, _, err := v.cacheRecord(d, reply.stored)
		return nil, err
	case replySame: // the call that was given the record is about to cache it
		runtime.Gosched()
		return nil, nil
	case replyGuard:
		revisions := p.snapshot.resolved.Revisions
		if reply.guard >= len(revisions) {
			return nil, v.refreshRootKey(ctx, p.rootKey, e.shard, reply.revision)
		}
		e.snapshot.CompareAndSwap(p.snapshot, nil)
		return nil, v.store.Refresh(ctx, e.key, revisions[reply.guard], reply.revision)
	case replyKeyFull, replyFull:
		if err := p.rootKey.checkExpiry(reply.now); err != nil {
			return nil, err
		}
		return nil, v.tooMany(reply.status)
	}
	return p.outcome()
}

// plan is what a verification comes to, as far as the record in memory decides. It
// is used again once its outcome was read.
type plan struct {
	store    *store.Store
	call     call
	rootKey  *rootKey
	entry    *entry
	snapshot *snapshot
	refusal  Code // "" where the script decides
	err      error
	limits   []LimitState
	grown    bool // the entry takes more memory than before

	// Room for those of the call, where the snapshot's do not suffice.
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

func (v *Verifier) plan(r *Request, root *rootKey, e *entry, t *snapshot) *plan {
	k, p := e.key, plans.Get().(*plan)
	p.store, p.rootKey, p.entry, p.snapshot = v.store, root, e, t
	c := &p.call
	c.workspace, c.shard, c.record, c.revision, c.slots = k.WorkspaceID, e.shard, e.record, e.revision, len(k.Limits)
	c.expires, c.hasCredits, c.cost = root.earlierExpiry(k.Expires), k.HasCredits, amount(r.Cost)
	if k.Refill != nil {
		c.amount, c.day = k.Refill.Amount, k.Refill.Day
	}
	c.guards = t.guards
	if root != nil {
		p.guards = root.appendGuards(append(p.guards, t.guards...), v.store, e.shard)
		c.guards = p.guards
	}
	if p.decide(r); p.grown {
		v.reweigh(e)
	}
	return p
}

// reweigh makes the cache count anew what an entry takes.
func (v *Verifier) reweigh(e *entry) {
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
	k, resolved := p.entry.key, p.snapshot.resolved
	switch {
	case k.Setup != nil: // it is redeemed, never verified: nobody asks for one here
		p.refuse(NotFound, verdictBefore)
	case r.Root && k.Root == nil:
		p.err = keys.Errorf(keys.KindNotRootKey, "key", "root key required")
		p.refuse("", verdictBefore)
	case r.Root != (k.Root != nil), p.rootKey.cannotVerify(k), k.Migration != "", r.WorkspaceID != "" && r.WorkspaceID != k.WorkspaceID, k.Root == nil && resolved.API == nil:
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
	p.limits, p.call.windows = p.snapshot.limits, p.snapshot.windows
	if len(r.Limits) == 0 {
		return nil
	}
	l := limits{store: p.store, entry: p.entry, resolved: p.snapshot.resolved, states: append(p.states, p.limits...), windows: append(p.windows, p.call.windows...)}
	for i := range r.Limits {
		if err := l.addRequested(&r.Limits[i]); err != nil {
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
	if err := p.rootKey.checkExpiry(reply.now); err != nil {
		return nil, err // and nothing was spent
	}
	o := &Outcome{Key: p.entry.key, Resolved: p.snapshot.resolved, Now: reply.now}
	if p.entry.key.HasCredits {
		o.balance = reply.balance
		o.Remaining = &o.balance
	}
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
	if o.Limits = o.one[:0]; len(reply.remaining) > len(o.one) {
		o.Limits = make([]LimitState, 0, len(reply.remaining))
	}
	for i, left := range reply.remaining {
		state := p.limits[i]
		state.Remaining, state.Exceeded = left.left, left.denied
		state.Reset = (reply.now/state.Duration + 1) * state.Duration
		o.Limits = append(o.Limits, state)
	}
	return o, nil
}

// allowed reports whether an API that allows some addresses alone allows this one.
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
func (l *LimitRequest) check() error {
	if err := checkCost("cost", l.Cost); err != nil || !l.Own {
		return err
	}
	return keys.CheckLimit(ratelimit.Limit{Limit: l.Limit, Duration: l.Duration}, 1, keys.MaxDuration)
}
