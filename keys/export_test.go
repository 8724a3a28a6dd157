package keys

import (
	"maps"
	"slices"
	"testing"
)

// Harmless are the commands that DurableWrites takes for reads.
func Harmless() []string { return slices.Sorted(maps.Keys(readOnlyCommands)) }

// WithoutClaims makes a setup key one of a release that made no claims.
func WithoutClaims(t *testing.T, s *Store, secret Secret) {
	t.Helper()
	found, err := s.loadAt(t.Context(), secret.Digest().place())
	if err != nil {
		t.Fatal(err)
	}
	k, setup := *found.key, *found.key.Setup
	setup.Claims, k.Setup = false, &setup
	if done, err := s.put(t.Context(), found, &k, put{}); err != nil || !done {
		t.Fatal(done, err)
	}
}
