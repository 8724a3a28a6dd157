// Package entries prints entries of the audit log: for people, and as lines of JSON. Nothing
// in them can do anything to a terminal.
package entries

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tollgate/keys/audit"
)

// Print writes entries, each on a line, in one write: as JSON, or for people.
func Print(w io.Writer, asJSON bool, all []audit.Entry) error {
	var text strings.Builder
	for _, e := range all {
		if !asJSON {
			fmt.Fprintf(&text, "%s  %-8s %-24s %-28s %s\n", time.UnixMilli(e.Time).UTC().Format("2006-01-02T15:04:05.000Z"), e.State, e.Action, actor(e), about(e))
			continue
		}
		line, err := JSON(e)
		if err != nil {
			return err
		}
		text.Write(line)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// actor says who it was.
func actor(e audit.Entry) string {
	parts := []string{string(e.Actor.Type)}
	for _, part := range []string{e.Actor.ID, e.Actor.Name, e.Actor.User, e.Actor.Command} {
		if part != "" {
			parts = append(parts, printable(part))
		}
	}
	return strings.Join(parts, " ")
}

// shown is how many of the things that an entry is about are shown to people.
const shown = 3

// about says about what it was, and why it was refused.
func about(e audit.Entry) string {
	var parts []string
	for _, r := range e.Resources[:min(len(e.Resources), shown)] {
		parts = append(parts, strings.TrimSpace(r.Type+" "+printable(r.ID)+" "+printable(r.Name)))
	}
	if n := len(e.Resources) - shown; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	text := strings.Join(parts, ", ")
	if e.Refusal != nil {
		text += ": " + printable(e.Refusal.Message)
	}
	return text
}

// printable is a text in which nothing moves a terminal's cursor or changes its colours.
func printable(text string) string {
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

// JSON returns the JSON of a value as a line of which a terminal obeys nothing.
func JSON(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var line []byte
	for _, r := range string(raw) { // what is not ASCII is within texts
		switch {
		case r < unicode.MaxASCII || unicode.IsPrint(r):
			line = append(line, string(r)...)
		case r > 0xffff:
			line = append(line, string(unicode.ReplacementChar)...)
		default:
			line = fmt.Appendf(line, `\u%04x`, r)
		}
	}
	return append(line, '\n'), nil
}
