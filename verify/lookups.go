package verify

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

// Root keys that this process has not met, because it started, or they were just created,
// or they are a stranger's guesses, have to be looked up in the store before anything can
// be said about them. So every one of them is, whoever else sends what from the same
// address: a valid root key is never refused for that. But anybody can send any number of
// them, so they do not wait among the verifications. They have a queue of their own with a
// fixed share:
//
//   - One batch of them is under way at a time, and the next leaves when the time of this
//     one is over, lookupTime for each in it: 12,500 lookups a second, some hundredths of
//     a Redis. What waits leaves together.
//   - Addresses are served in turn, and each may have an equal part of the places: one
//     that sends too many is what waits for them, and nobody else is.
//   - A lookup that finds the queue full, or that the shedder finds late, is answered 503.
//     That says nothing about the root key.
const (
	lookupTime = 80 * time.Microsecond
	minLookups = 16   // as many are counted of a smaller batch, so that more leave together
	maxLookups = 1024 // of one address that is alone; what leaves within the queue timeout of a default time limit is not much more
)

// lookupsOnCluster is how many calls of lookups are under way at a time on a Cluster, where
// a batch is a call for each slot. Those to a node that does not answer leave room for others.
const lookupsOnCluster = 16

var (
	errManyLookups = errors.New("too many root keys that are not known yet in line for the store")
	errLookupsFull = redisdb.Unavailable(errManyLookups)
)

// lookup is a root key that is being looked up, for everybody at one source who sent it
// before it left.
type lookup struct {
	lookupKey
	call  call
	known *entry // nil where the store has no such key
	err   error
	done  chan struct{} // closed once the two above are there
}

type lookupKey struct {
	digest keys.Digest
	source netip.Addr
}

// lookups is the queue of root keys that are not in memory.
type lookups struct {
	v        *Verifier
	batchers map[string]*batcher // that send them; nobody waits there
	calls    chan struct{}       // has one for each call under way

	mu      sync.Mutex
	shedder shedder
	waiting map[lookupKey]*lookup
	sources map[netip.Addr]*lookupSource
	turns   []*lookupSource // those with somebody waiting, in the order of their turns
	running bool
}

// lookupSource is what waits from one address.
type lookupSource struct {
	address netip.Addr
	waiting []*lookup
}

func newLookups(v *Verifier, o Options) *lookups {
	atOnce := 1
	if v.store.Cluster() {
		atOnce = lookupsOnCluster
	}
	return &lookups{
		v: v, batchers: newBatchers(v.store, o), calls: make(chan struct{}, atOnce), shedder: shedder{timeout: o.Timeout},
		waiting: map[lookupKey]*lookup{}, sources: map[netip.Addr]*lookupSource{},
	}
}

// knownRoot returns the key of a digest from memory, or looks it up; nil where the store
// has none.
func (v *Verifier) knownRoot(ctx context.Context, d keys.Digest, source netip.Addr) (*entry, error) {
	if known, ok := v.cache.GetIfPresent(d); ok && known.key != nil {
		return known, nil
	}
	return v.lookups.do(ctx, lookupKey{d, source})
}

// do waits for a lookup: while Redis owes an answer no longer than for that to a call.
func (q *lookups) do(ctx context.Context, k lookupKey) (*entry, error) {
	l, err := q.join(k, began(ctx))
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(q.shedder.callTimeout(int64(redisdb.Age(ctx))))
	defer timer.Stop()
	for {
		select {
		case <-l.done:
			return l.known, l.err
		case <-timer.C:
		}
		if q.late(l) {
			return nil, errLate
		}
		timer.Reset(time.Duration(q.shedder.queueTimeout() / 4))
	}
}

// late reports whether a lookup is to be refused now, whether it has left or not.
func (q *lookups) late(l *lookup) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shedder.late(&l.call, int64(time.Since(start)))
}

// join finds or makes a lookup that has not left yet. One that has left is not shared: the
// root key may have been created since.
func (q *lookups) join(k lookupKey, began int64) (*lookup, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.waiting[k]; l != nil {
		l.call.began = max(l.call.began, began) // not late before the last of them is
		return l, nil
	}
	s, err := q.source(k.source)
	if err != nil {
		return nil, err
	}
	l := &lookup{lookupKey: k, done: make(chan struct{})}
	name, shard := layout.RecordName(k.digest)
	l.call = call{shard: shard, record: name, revision: unknownRevision, verdict: verdictBefore, began: began, done: make(chan struct{}, 1)}
	if len(q.waiting) == 0 {
		q.shedder.noteIdle(began)
	}
	s.waiting = append(s.waiting, l)
	q.waiting[k] = l
	if !q.running {
		q.running = true
		go q.run()
	}
	return l, nil
}

// source returns the source of an address if it may have one more in the queue: as many as an
// equal part of the places is. Since parts shrink only while others come, the queue holds
// less than eight times maxLookups, and the excess of those who were there first is late.
func (q *lookups) source(address netip.Addr) (*lookupSource, error) {
	s, sources := q.sources[address], len(q.sources)
	if s == nil {
		s, sources = &lookupSource{address: address}, sources+1
	}
	if len(s.waiting) >= maxLookups/sources {
		return nil, errLookupsFull
	}
	if len(s.waiting) == 0 {
		q.sources[address] = s
		q.turns = append(q.turns, s)
	}
	return s, nil
}

// run sends batch after batch until nobody waits.
func (q *lookups) run() {
	for {
		q.calls <- struct{}{}
		left := time.Now()
		batch := q.take()
		if len(batch) == 0 {
			<-q.calls
			return
		}
		q.send(batch)
		time.Sleep(time.Until(left.Add(time.Duration(max(minLookups, len(batch))) * lookupTime)))
	}
}

// take takes a batch from the queue, one of each source in turn. Where nobody waits it is
// empty, and run ends.
func (q *lookups) take() (batch []*lookup) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := int64(time.Since(start))
	for len(batch) < maxBatch && len(q.turns) > 0 {
		l := q.next()
		if q.shedder.late(&l.call, now) {
			l.end(nil, errLate)
			continue
		}
		batch = append(batch, l)
	}
	if q.running = len(batch) > 0; q.running {
		q.shedder.noteSent(now)
	}
	if len(q.waiting) == 0 {
		q.shedder.noteIdle(now)
	}
	return batch
}

// next takes the first of the source whose turn it is.
func (q *lookups) next() *lookup {
	s := q.turns[0]
	l := s.waiting[0]
	q.turns, s.waiting = q.turns[1:], s.waiting[1:]
	delete(q.waiting, l.lookupKey)
	if len(s.waiting) > 0 {
		q.turns = append(q.turns, s)
	} else {
		delete(q.sources, s.address)
	}
	return l
}

// send sends a batch, on a Cluster in a call for each slot. It takes over one place among
// the calls under way, and returns when the last of its calls has one.
func (q *lookups) send(batch []*lookup) {
	byBatcher := map[*batcher][]*lookup{}
	for _, l := range batch {
		batcher := batcherOf(q.batchers, l.call.shard)
		byBatcher[batcher] = append(byBatcher[batcher], l)
	}
	first := true
	for batcher, group := range byBatcher {
		if !first {
			q.calls <- struct{}{}
		}
		first = false
		go q.sendGroup(batcher, group)
	}
}

// sendGroup sends the lookups of one call and ends them.
func (q *lookups) sendGroup(batcher *batcher, group []*lookup) {
	b := batches.Get().(*batch)
	for _, l := range group {
		b.waiters = append(b.waiters, &l.call)
	}
	now := int64(time.Since(start))
	b.age = now - b.oldest(now)
	batcher.dispatch(b)
	for _, l := range group {
		if <-l.call.done; l.call.err == nil {
			q.shedder.noteReply()
		}
		l.end(q.v.lookupResult(l))
	}
	<-q.calls
}

func (l *lookup) end(known *entry, err error) {
	l.known, l.err = known, err
	close(l.done)
}

// lookupResult reads the reply to a lookup.
func (v *Verifier) lookupResult(l *lookup) (*entry, error) {
	switch c := &l.call; {
	case c.err != nil:
		return nil, c.err
	case c.reply.status == replyAbsent:
		return nil, nil
	case c.reply.status == replyLost:
		return nil, v.store.Mark(context.Background()) // of a store that was never used the key is not found
	case c.reply.status == replyRecord:
		known, record, err := v.cacheRecord(l.digest, c.reply.stored)
		switch {
		case err != nil || record.Setup != nil: // as in read
			return nil, err
		case record.Target != nil: // no root key was ever rerolled: it is refused as another key
			return newEntry(record, layout.Revision(c.reply.stored[:len(noRevision)])), nil
		}
		return known, nil
	}
	// The same key from two sources: the first was given the record, which is in memory now.
	known, ok := v.cache.GetIfPresent(l.digest)
	switch {
	case !ok:
		return nil, redisdb.Unavailable(errChanging)
	case known.key == nil:
		return nil, nil
	}
	return known, nil
}
