package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/keys"
)

// What is sealed opens with its keyset, also after a rotation, and neither for
// another key nor with another keyset.
func TestSealing(t *testing.T) {
	text, err := NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := RotateKeyset(text)
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := NewKeyset()
	load := func(text []byte) *Sealer {
		file := filepath.Join(t.TempDir(), "keyset")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := LoadSealer(file)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	secret, _ := keys.GenerateSecret("", 16, false)
	key := &keys.Key{ID: "key_1", WorkspaceID: "ws_1"}
	if key.Sealed, err = load(text).seal(key, secret); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Sealer{"own": load(text), "rotated": load(rotated)} {
		if got, err := s.open(key); err != nil || got != secret {
			t.Errorf("%s keyset: %v", name, err)
		}
	}
	moved := *key
	moved.ID = "key_2"
	for name, open := range map[string]func() (keys.Secret, error){
		"foreign keyset": func() (keys.Secret, error) { return load(foreign).open(key) },
		"no keyset":      func() (keys.Secret, error) { return (*Sealer)(nil).open(key) },
		"another key":    func() (keys.Secret, error) { return load(text).open(&moved) },
	} {
		if got, err := open(); keys.AsError(err).Kind != keys.KindPrecondition || got.Reveal() != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := RotateKeyset([]byte(`{"not":"a keyset"}`)); err == nil || strings.Contains(err.Error(), "not\"") {
		t.Errorf("a file that is no keyset: %v", err)
	}
}
