package web

import (
	"github.com/rs/xid"
)

// xidLength is the length of an xid in its text form.
const xidLength = 20

// RequestIDs returns a Dialect.NewRequestID: the prefix, and an xid, which is unique
// across processes and sorts by time.
func RequestIDs(prefix string) func() string {
	return func() string {
		var buf [64]byte
		b := append(buf[:0], prefix...)
		at := len(b)
		b = append(b, make([]byte, xidLength)...)
		xid.New().Encode(b[at:])
		return string(b)
	}
}
