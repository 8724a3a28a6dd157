package layout

import (
	"reflect"
	"testing"

	"tollgate/keys"
)

// A damaged record is refused, never misread and never a panic. What is read can be
// written, and is then read as the same.
func FuzzDecodeKey(f *testing.F) {
	good := string(LayoutVersion) + string(AppendU56(nil, 7)) + string(make([]byte, 14)) + "\x00" + string(Encode(&keys.Key{ID: "key_1"}))
	f.Add(good)
	f.Add(good[:30])
	f.Add("")
	f.Add("2" + good[1:])
	f.Fuzz(func(t *testing.T, stored string) {
		key, state, prefix, err := DecodeKey(stored)
		if err == nil && (key == nil || len(prefix) != revisionLength || len(state.Windows) != len(key.Limits)) {
			t.Errorf("%q: %+v", stored, key)
		}
		if err != nil {
			return
		}
		again, sameState, samePrefix, err := DecodeKey(stored[:HeaderLength(len(key.Limits))] + string(Encode(key)))
		if err != nil || !reflect.DeepEqual(Encode(again), Encode(key)) || !reflect.DeepEqual(sameState, state) || samePrefix != prefix {
			t.Errorf("%q was written and read as %+v, %v", stored, again, err)
		}
	})
}
