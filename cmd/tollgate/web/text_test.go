package web

import (
	"encoding/json"
	"testing"
)

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\x00\n\t\x1f\x7f", `quote " and \\`, "é😀\u2028", "bad \xff\xc3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got, want string
		standard, _ := json.Marshal(s)
		if err := json.Unmarshal(AppendString(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if json.Unmarshal(standard, &want); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
