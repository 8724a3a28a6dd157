package keys

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/mr-tron/base58"
)

// A key is its prefix, "_" and the base58 of its random bytes, in the first
// generation behind 0x01 and their number; its start is enough to recognise it and
// too little to guess it.
func TestMint(t *testing.T) {
	for _, row := range []struct {
		prefix string
		size   int
		header bool
		shown  int
	}{
		{"", 16, true, 5}, {"", 16, false, 4}, {"acme", 16, true, 9}, {"a_b_", 255, false, 9}, {"x", 24, false, 6},
	} {
		secret, start := GenerateSecret(row.prefix, row.size, row.header)
		text := secret.Reveal()
		body := text
		if row.prefix != "" {
			body = strings.TrimPrefix(text, row.prefix+"_")
		}
		raw, err := base58.Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		if row.header {
			if raw[0] != 1 || int(raw[1]) != row.size {
				t.Errorf("%+v: header % x", row, raw[:2])
			}
			raw = raw[2:]
		}
		if len(raw) != row.size {
			t.Errorf("%+v: %d random bytes", row, len(raw))
		}
		if len(start) != row.shown || !strings.HasPrefix(text, start) {
			t.Errorf("%+v: start %q", row, start)
		}
	}
}

// However a secret is printed, logged or encoded, its text does not come out.
func TestSecretsDoNotPrint(t *testing.T) {
	secret, _ := GenerateSecret("acme", 16, true)
	nested := struct {
		S Secret
		P *Secret
		M map[string]Secret
	}{secret, &secret, map[string]Secret{"k": secret}}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "s", secret, "n", nested)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "s", secret, "n", nested)
	encoded, err := json.Marshal(nested)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{log.String(), string(encoded)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out = append(out, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, nested), fmt.Sprintf(verb, &secret))
	}
	body := secret.Reveal()[5:]
	for _, text := range out {
		if strings.Contains(text, body) || strings.Contains(text, fmt.Sprintf("%x", body)) {
			t.Errorf("the secret came out: %q", text)
		}
	}
}

// Ids of a kind sort by the moment in which they were made, are unlike, and all have
// one width.
func TestIDsSort(t *testing.T) {
	const tick = time.Second >> 16
	seen := map[string]bool{}
	last, lastEnd := "", time.Now().Add(-time.Hour)
	for range 10_000 {
		begin := time.Now()
		id := NewID(PrefixKey)
		if len(id) != len(PrefixKey)+1+idWidth || seen[id] {
			t.Fatalf("%q", id)
		}
		if begin.Sub(lastEnd) > tick {
			if id <= last {
				t.Fatalf("%s sorts before %s, which is older", id, last)
			}
			last, lastEnd = id, time.Now()
		}
		seen[id] = true
	}
}
