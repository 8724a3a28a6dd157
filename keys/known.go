package keys

import "sync/atomic"

// Known is a key as a gateway has it in memory. It is never believed by itself:
// the prefix, and the revisions of what it was resolved to, are confirmed by the
// script that spends.
type Known struct {
	Key      *Key
	Prefix   Prefix
	Record   string // its name in Redis
	Shard    string
	resolved atomic.Pointer[Resolved]
}

// Resolved gives what the key's references stood for when they were last looked
// at; nil before that.
func (k *Known) Resolved() *Resolved { return k.resolved.Load() }

// SetResolved remembers what the references stand for; nil forgets it.
func (k *Known) SetResolved(r *Resolved) { k.resolved.Store(r) }

// Weight estimates the memory that k keeps, in bytes.
func (k *Known) Weight() uint32 {
	key := k.Key
	n := 600 + len(key.Name) + len(key.Meta) + len(key.Sealed) + len(key.Environment)
	n += 48 * (len(key.Permissions) + len(key.Roles))
	n += 96 * len(key.Limits)
	if r := k.Resolved(); r != nil {
		n += 200 + 32*(len(r.Permissions)+len(r.Direct)+len(r.Roles))
	}
	return uint32(n)
}

// RecordName names the Redis key of a secret's record, and its shard.
func (d Digest) RecordName() (name, shard string) {
	at := d.place()
	return at.record(), at.shard()
}

// NewKnown reads a stored key, and refuses one whose digest is not d.
func NewKnown(d Digest, stored string) (*Known, error) {
	key, _, prefix, err := DecodeKey(stored)
	if err != nil {
		return nil, err
	}
	if !key.Digest.Equal(d) {
		return nil, errCorrupt
	}
	name, shard := d.RecordName()
	return &Known{Key: key, Prefix: prefix, Record: name, Shard: shard}, nil
}
