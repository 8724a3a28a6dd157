package main

import (
	"testing"

	"tollgate/keys/setupkeys"
)

// A range is two positive numbers, the smaller first; anything else ends the program
// rather than being taken for no range.
func TestLifetimes(t *testing.T) {
	for text, want := range map[string]setupkeys.Lifetimes{
		"86400-31536000": {Min: 86400, Max: 31536000}, "1-1": {Min: 1, Max: 1}, "1-3162240000": {Min: 1, Max: 3162240000},
		"0-10": {}, "10-1": {}, "-": {}, "10": {}, "10-": {}, "-10": {}, "a-b": {}, "1-3162240001": {}, "1-2-3": {}, " 1-2": {}, "1d-365d": {},
	} {
		if got := lifetimes(text); got != want || validRange(text) != (want != setupkeys.Lifetimes{}) {
			t.Errorf("%q: %v", text, got)
		}
	}
	if !validRange("") || lifetimes("") != (setupkeys.Lifetimes{}) {
		t.Error("no range is a range")
	}
}
