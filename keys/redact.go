package keys

import (
	"strings"

	"github.com/mr-tron/base58"
	"github.com/rs/xid"
)

// What a caller calls an id or a name may be a secret that was put in the wrong place. An
// error repeats a short one, and one that has the form of an id made here; of another it
// tells the beginning, as Start does of a key. The shortest secret made here, of 16
// bytes, is longer than that but for one in millions.
const (
	redactWhole = 18
	redactStart = 8
)

// Redact is a text that a caller sent, as an error may repeat it.
func Redact(text string) string {
	if len(text) <= redactWhole || madeHere(text) {
		return text
	}
	return strings.ToValidUTF8(text[:redactStart], "") + "…"
}

// madeHere reports whether a text has the form of NewID, or of a group's id.
func madeHere(text string) bool {
	if _, err := xid.FromString(text); err == nil {
		return true
	}
	prefix, body, _ := strings.Cut(text, "_")
	_, err := base58.Decode(body)
	return len(prefix) <= 5 && len(body) == idWidth && err == nil
}
