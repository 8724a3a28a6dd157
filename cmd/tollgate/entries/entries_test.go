package entries

import (
	"bytes"
	"strings"
	"testing"

	"tollgate/keys/audit"
)

// What an entry says can't do anything to a terminal.
func TestEntriesOnATerminal(t *testing.T) {
	nasty := "\x1b[31mred\u009b2J\u202egnp\n\x7f\U000e0001"
	e := audit.Entry{State: audit.Refused, Action: audit.CreateAPI, Actor: audit.Actor{Type: audit.RootKey, Name: nasty}, Resources: []audit.Resource{{Type: "api", Name: nasty}}, Refusal: &audit.Refusal{Message: nasty}}
	for _, json := range []bool{true, false} {
		var out bytes.Buffer
		if err := Print(&out, json, []audit.Entry{e}); err != nil {
			t.Fatal(err)
		}
		line := strings.TrimSuffix(out.String(), "\n")
		if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f || r == 0x202e || r == 0xe0001 }); i >= 0 {
			t.Errorf("json %t: %q", json, line)
		}
	}
}
