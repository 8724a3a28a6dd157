package store

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
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
	of := func(text []byte) *Sealer {
		file := filepath.Join(t.TempDir(), "keyset")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return load(t, file)
	}
	secret, _ := keys.GenerateSecret("", 16, false)
	key := &keys.Key{ID: "key_1", WorkspaceID: "ws_1"}
	if key.Sealed, err = of(text).seal(key, secret); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Sealer{"own": of(text), "rotated": of(rotated)} {
		if got, err := s.open(key); err != nil || got != secret {
			t.Errorf("%s keyset: %v", name, err)
		}
	}
	moved := *key
	moved.ID = "key_2"
	for name, open := range map[string]func() (keys.Secret, error){
		"foreign keyset": func() (keys.Secret, error) { return of(foreign).open(key) },
		"no keyset":      func() (keys.Secret, error) { return (*Sealer)(nil).open(key) },
		"another key":    func() (keys.Secret, error) { return of(text).open(&moved) },
	} {
		if got, err := open(); keys.AsError(err).Kind != keys.KindPrecondition || got.Reveal() != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := RotateKeyset([]byte(`{"not":"a keyset"}`)); err == nil || strings.Contains(err.Error(), "not\"") {
		t.Errorf("a file that is no keyset: %v", err)
	}
}

// Two gateways share a file that is rotated again and again while both seal and open: each
// opens what either has sealed, whichever of them has read the file again.
func TestRotationsMeanwhile(t *testing.T) {
	text, err := NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keyset")
	write := func(text []byte) {
		if err := os.WriteFile(file+".next", text, 0o600); err != nil {
			t.Error(err)
		}
		if err := os.Rename(file+".next", file); err != nil {
			t.Error(err)
		}
	}
	write(text)
	gateways := []*Sealer{load(t, file), load(t, file)}
	secret, _ := keys.GenerateSecret("", 16, false)
	done := make(chan struct{})
	var work sync.WaitGroup
	for n := range 4 {
		work.Go(func() {
			key := &keys.Key{ID: "key_1", WorkspaceID: "ws_1"}
			for i := n; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				var err error
				if key.Sealed, err = gateways[i%2].seal(key, secret); err != nil {
					t.Error(err)
				}
				if got, err := gateways[1-i%2].open(key); err != nil || got != secret {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	for i := range 50 {
		if text, err = RotateKeyset(text); err != nil {
			t.Fatal(err)
		}
		write(text)
		if changed, err := gateways[i%2].Reload(); err != nil {
			t.Errorf("rotation %d: %v, %v", i, changed, err)
		}
	}
	close(done)
	work.Wait()
	foreign, _ := NewKeyset()
	for _, bad := range [][]byte{foreign, []byte("{}"), text[:20]} {
		write(bad)
		if changed, err := gateways[0].Reload(); changed || err == nil {
			t.Errorf("%.20q: %v, %v", bad, changed, err)
		}
	}
	key := &keys.Key{ID: "key_1", WorkspaceID: "ws_1"}
	if key.Sealed, err = gateways[0].seal(key, secret); err != nil {
		t.Fatal(err)
	}
	if got, err := gateways[0].open(key); err != nil || got != secret {
		t.Errorf("behind a keyset that is refused: %v", err)
	}
}

func load(t *testing.T, file string) *Sealer {
	t.Helper()
	s, err := LoadSealer(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
