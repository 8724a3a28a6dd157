package verify

import (
	"context"

	"tollgate/keys"
)

// Preload reads root keys into memory, slowly, as many as are remembered: after a start
// the first requests find theirs there. They are believed no more than others: each call
// that relies on one confirms it. Errors are KindUnavailable.
func (v *Verifier) Preload(ctx context.Context) error {
	return v.store.EachRootKey(ctx, maxAskers, func(k *keys.Key, prefix keys.Prefix) {
		record, shard := k.Digest.RecordName()
		v.cache.SetIfAbsent(k.Digest, &entry{key: k, prefix: prefix, record: record, shard: shard})
	})
}
