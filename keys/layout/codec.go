package layout

import (
	"tollgate/keys"
	"tollgate/ratelimit"

	"github.com/fxamacker/cbor/v2"
)

// EncodeDefinition puts the version before a definition's CBOR.
func EncodeDefinition(d any) string { return string(LayoutVersion) + string(Encode(d)) }

var (
	encoding, _ = cbor.EncOptions{Sort: cbor.SortCoreDeterministic}.EncMode()
	// decoding bounds what a damaged store can make a gateway do.
	Decoding, _ = cbor.DecOptions{MaxNestedLevels: 8, MaxArrayElements: 1 << 17, MaxMapPairs: 1 << 12}.DecMode()
)

// DecodeDefinition reads what encodeDefinition wrote; nil for "".
func DecodeDefinition[T any](stored string) (*T, error) {
	if stored == "" {
		return nil, nil
	}
	if stored[0] != LayoutVersion {
		return nil, keys.ErrCorrupt
	}
	d := new(T)
	if err := Decoding.Unmarshal([]byte(stored[1:]), d); err != nil {
		return nil, err
	}
	return d, nil
}

// Encode returns a record's CBOR. The types of this package always encode.
func Encode(record any) []byte {
	raw, err := encoding.Marshal(record)
	if err != nil {
		panic("keys: " + err.Error())
	}
	return raw
}

// DecodeKey reads a stored key: what it is, what it has left, its revision.
func DecodeKey(stored string) (*keys.Key, keys.State, Revision, error) {
	revision, state, record, err := Split(stored)
	if err != nil {
		return nil, keys.State{}, "", err
	}
	var key keys.Key
	if err := Decoding.Unmarshal(record, &key); err != nil {
		return nil, keys.State{}, "", err
	}
	if len(key.Limits) != len(state.Windows) || key.CheckIssued() != nil {
		return nil, keys.State{}, "", keys.ErrCorrupt
	}
	return &key, state, revision, nil
}

// AppendWindows appends the windows of a header.
func AppendWindows(b []byte, windows []ratelimit.Window) []byte {
	for _, w := range windows {
		b = AppendU56(AppendU56(AppendU56(b, w.Index), w.Current), w.Previous)
	}
	return b
}
