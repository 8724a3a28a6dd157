package ratelimit

import "strconv"

// Field is a limit as the RateLimit header fields tell it.
type Field struct {
	Name      string
	Limit     int64 // uses in each Duration
	Duration  int64 // ms
	Remaining int64 // uses that are left, 0 or more
	Wait      int64 // ms until the present window ends; less than 0 is 0
}

// maxFieldInteger is the largest integer that a structured field can hold (RFC 9651,
// section 3.3.1).
const maxFieldInteger = 999_999_999_999_999

// AppendPolicy appends the limit as an item of RateLimit-Policy, such as
//
//	"requests";q=100;w=60
//
// of draft-ietf-httpapi-ratelimit-headers, section 4. The window is in whole seconds, rounded
// up. What a string of a structured field can't hold is percent-encoded in the name.
func (f *Field) AppendPolicy(dst []byte) []byte {
	dst = appendName(dst, f.Name)
	dst = appendInteger(append(dst, ";q="...), f.Limit)
	return appendInteger(append(dst, ";w="...), wholeSeconds(f.Duration))
}

// AppendState appends what is left as an item of RateLimit, such as
//
//	"requests";r=42;t=13
//
// of the same draft, section 5. The time is in whole seconds, rounded up.
func (f *Field) AppendState(dst []byte) []byte {
	dst = appendName(dst, f.Name)
	dst = appendInteger(append(dst, ";r="...), f.Remaining)
	return appendInteger(append(dst, ";t="...), wholeSeconds(f.Wait))
}

// wholeSeconds rounds up.
func wholeSeconds(ms int64) int64 { return (max(ms, 0) + 999) / 1000 }

func appendInteger(dst []byte, n int64) []byte {
	return strconv.AppendInt(dst, min(max(n, 0), maxFieldInteger), 10)
}

// appendName appends a string of a structured field (RFC 9651, section 3.3.3).
func appendName(dst []byte, name string) []byte {
	const hex = "0123456789ABCDEF"
	dst = append(dst, '"')
	for i := range len(name) {
		switch b := name[i]; {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b < ' ' || b > '~' || b == '%':
			dst = append(dst, '%', hex[b>>4], hex[b&15])
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}
