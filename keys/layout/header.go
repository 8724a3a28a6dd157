package layout

import (
	"encoding/binary"
	"strings"

	"tollgate/keys"
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
	LayoutVersion  = '1'
	revisionLength = 8
	HeaderSize     = 23
	WindowLength   = 21
)

// Revision is the first eight bytes of a stored key or of a workspace's revision:
// the version of the layout and the revision. Two equal ones of one name mean
// equal content. The zero-length Prefix stands for what does not exist.
type Revision string

// Split takes a stored key apart.
func Split(stored string) (Revision, keys.State, []byte, error) {
	if len(stored) < HeaderSize || stored[0] != LayoutVersion {
		return "", keys.State{}, nil, keys.ErrCorrupt
	}
	n := int(stored[22])
	end := HeaderSize + n*WindowLength
	if len(stored) < end {
		return "", keys.State{}, nil, keys.ErrCorrupt
	}
	state := keys.State{Balance: U56(stored[8:]), NextRefill: U56(stored[15:]), Windows: make([]ratelimit.Window, n)}
	for i := range state.Windows {
		w := stored[HeaderSize+i*WindowLength:]
		state.Windows[i] = ratelimit.Window{Index: U56(w), Current: U56(w[7:]), Previous: U56(w[14:])}
	}
	return Revision(strings.Clone(stored[:revisionLength])), state, []byte(stored[end:]), nil
}

// Prepared reports whether a revision is that of a prepared change.
func (p Revision) Prepared() bool { return len(p) == revisionLength && p[revisionLength-1]&1 == 1 }

// HeaderLength is the length in bytes of the header of a key with n limits.
func HeaderLength(n int) int { return HeaderSize + n*WindowLength }

// NextPrepared returns the least odd revision from p on.
func (p Revision) NextPrepared() Revision {
	if len(p) < revisionLength {
		p = Revision(LayoutVersion) + Revision(AppendU56(nil, 0))
	}
	return p[:revisionLength-1] + Revision([]byte{p[revisionLength-1] | 1})
}

// U56 reads the seven bytes at the start of s, which must be there, big-endian.
func U56(s string) int64 {
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
