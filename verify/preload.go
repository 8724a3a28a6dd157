package verify

import (
	"context"

	"tollgate/keys"
	"tollgate/keys/layout"
)

// Preload reads root keys into memory, slowly, as many as are remembered: after a start
// the first requests find theirs there. They are believed no more than others: each call
// that relies on one confirms it. Errors are KindUnavailable.
func (v *Verifier) Preload(ctx context.Context) error {
	return v.store.EachRootKey(ctx, maxRootKeys, func(k *keys.Key, revision layout.Revision) {
		record, shard := layout.RecordName(k.Digest)
		v.cache.SetIfAbsent(k.Digest, &entry{key: k, revision: revision, record: record, shard: shard})
	})
}
