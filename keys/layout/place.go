package layout

import (
	"encoding/base64"
	"encoding/hex"

	"tollgate/keys"
)

// PlaceOf says where a digest's key is kept: the shard is its first byte, the tag
// the next 16, 128 bits that no two secrets share. The record holds the whole
// digest and the verifier compares it.
func PlaceOf(d keys.Digest) Place {
	var text [24]byte
	hex.Encode(text[:2], d[:1])
	base64.RawURLEncoding.Encode(text[2:], d[1:17])
	return Place{string(text[:])}
}

// RecordName names the Redis key of a secret's record, and its shard.
func RecordName(d keys.Digest) (name, shard string) {
	at := PlaceOf(d)
	return at.Record(), at.Shard()
}

// KeyPlace is where the key's record is: its own, or that of its first secret.
func KeyPlace(k *keys.Key) Place {
	return PlaceOf(k.RecordDigest())
}

// KeyRecordName names the Redis key of the record, and its shard.
func KeyRecordName(k *keys.Key) (name, shard string) {
	at := KeyPlace(k)
	return at.Record(), at.Shard()
}
