package keys

import (
	"strings"
)

// The law of cursors: a cursor is an id, as a page of the same list gave it or as the id of
// one of its rows was read. What can't be an id of that list, because it is damaged or is an
// id of another kind, is refused: a caller who sent the wrong text must not take the wrong
// place, or an empty page, for the end of the list. An id of the right form goes on at its
// place whether or not anything has it: its row may have been deleted between two pages.

// base58Digits are the digits of the body of an id.
const base58Digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// MadeBy reports whether NewID may have made an id with a prefix.
func MadeBy(prefix, id string) bool {
	body, ok := strings.CutPrefix(id, prefix+"_")
	return ok && len(body) == idWidth && strings.Trim(body, base58Digits) == ""
}

// CheckCursors refuses the cursors of a list whose ids have a prefix. "" is the beginning.
func CheckCursors(prefix string, cursors ...string) error {
	for _, cursor := range cursors {
		if cursor != "" && !MadeBy(prefix, cursor) {
			return Invalidf("cursor", "must be the cursor of an earlier page of this list, or an id that begins with %s_", prefix)
		}
	}
	return nil
}
