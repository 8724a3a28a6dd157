package authz_test

import (
	"strings"
	"testing"

	"tollgate/verify/authz"
)

// A root key that is empty is none: whoever asks without one is not asked for a right.
func TestRootKeyIsNeverEmpty(t *testing.T) {
	for _, lines := range [][]string{nil, {}, {""}, {"", ""}, {"a", ""}, {"a", "a"}} {
		key, err := authz.ParseRootKey("the header X", lines)
		if err == nil || !strings.HasPrefix(err.Error(), "the header X ") || key.Reveal() != "" {
			t.Errorf("%q: %q, %v", lines, key.Reveal(), err)
		}
	}
	if key, err := authz.ParseRootKey("the header X", []string{"root"}); err != nil || key.Reveal() != "root" {
		t.Errorf("%v", err)
	}
}
