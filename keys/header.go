package keys

import (
	"encoding/binary"
	"errors"
	"strings"

	"tollgate/ratelimit"
)

// The layout of a stored key; state.lua reads the same.
//
//	0      "1", the version of the layout and of the record behind it
//	1-7    revision
//	8-14   balance
//	15-21  next refill, unix ms; 0 for none
//	22     how many limits
//	23-    21 bytes for each: window, current, previous
//
// Integers are unsigned, big-endian and seven bytes long.
const (
	layoutVersion  = '1'
	revisionLength = 8
	headerLength   = 23
	windowLength   = 21
)

// Revision is the first eight bytes of a stored key or of a workspace's revision:
// the version of the layout and the revision. Two equal ones of one name mean
// equal content. The zero-length Prefix stands for what does not exist.
type Revision string

// State is what a key has left.
type State struct {
	Balance    int64              // uses; means nothing for an unlimited key
	NextRefill int64              // unix ms; 0 when the key does not refill
	Windows    []ratelimit.Window // one for each of the key's Limits, in their order
}

var errCorrupt = errors.New("a stored record does not have the layout of this version")

// split takes a stored key apart.
func split(stored string) (Revision, State, []byte, error) {
	if len(stored) < headerLength || stored[0] != layoutVersion {
		return "", State{}, nil, errCorrupt
	}
	n := int(stored[22])
	end := headerLength + n*windowLength
	if len(stored) < end {
		return "", State{}, nil, errCorrupt
	}
	state := State{Balance: u56(stored[8:]), NextRefill: u56(stored[15:]), Windows: make([]ratelimit.Window, n)}
	for i := range state.Windows {
		w := stored[headerLength+i*windowLength:]
		state.Windows[i] = ratelimit.Window{Index: u56(w), Current: u56(w[7:]), Previous: u56(w[14:])}
	}
	return Revision(strings.Clone(stored[:revisionLength])), state, []byte(stored[end:]), nil
}

// HeaderLength is the length in bytes of the header of a key with n limits.
func HeaderLength(n int) int { return headerLength + n*windowLength }

// u56 reads seven bytes, big-endian.
func u56(s string) int64 {
	_ = s[6]
	return int64(s[0])<<48 | int64(s[1])<<40 | int64(s[2])<<32 | int64(s[3])<<24 |
		int64(s[4])<<16 | int64(s[5])<<8 | int64(s[6])
}

// AppendU56 appends n, of 0 to 2^56-1, as seven bytes, big-endian.
func AppendU56(b []byte, n int64) []byte {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], uint64(n))
	return append(b, raw[1:]...)
}

// U56 reads the seven bytes at the start of s, which must be there.
func U56(s string) int64 { return u56(s) }
