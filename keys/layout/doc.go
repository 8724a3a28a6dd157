// Package layout is how everything is laid out in Redis: every name, the header of a key's
// record, and the codec of records. It is not an API: nothing but the packages beside it
// may rely on it, and it changes with them.
//
// A key is one Redis string. A short header of fixed layout holds what changes on every
// use: the revision, the balance, the next refill and the windows of its stored rate
// limits. The record behind it holds what the key is, in CBOR (RFC 8949), and changes
// rarely. One read of the header tells a gateway that has the record in memory whether it
// is still current; one SETRANGE spends. header.go and state.lua are the two readers of
// the header.
//
// A key's name in Redis is made of the digest of its secret, because the secret is what a
// verification has in hand. An index leads from the key's id there, and so do the entries
// of the lists that the key is in. names.go has every name, with its type, owner and life.
package layout
