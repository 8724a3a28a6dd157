package keys_test

import (
	"testing"

	"tollgate/keys"
)

// NetBird's own tokens have this form, and nothing else has: one wrong character
// anywhere is found.
func TestAccessTokens(t *testing.T) {
	tokens := []string{
		"nbp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA0uCPlr",
		"nbp_0000000000000000000000000000002C8GjS",
		"nbp_abcdefghijklmnopqrstuvwxyz01232LolCm",
	}
	for range 20 {
		tokens = append(tokens, keys.NewAccessToken().Reveal())
	}
	for _, token := range tokens {
		if len(token) != 40 || !keys.CheckAccessToken(token) {
			t.Errorf("%s is not taken for one", token)
		}
		for i := range token {
			other := byte('x')
			if token[i] == 'x' {
				other = 'y'
			}
			if wrong := token[:i] + string(other) + token[i+1:]; keys.CheckAccessToken(wrong) {
				t.Errorf("%s is taken for one", wrong)
			}
		}
	}
	for _, wrong := range []string{"", "nbp_", tokens[0][:39], tokens[0] + "0", "NBP_" + tokens[0][4:]} {
		if keys.CheckAccessToken(wrong) {
			t.Errorf("%q is taken for one", wrong)
		}
	}
	if got := keys.NewSecret(tokens[0]).Digest().String(); got != "7QUet5VEF5ZF9v3BE+oLQuOLVvq08MSOpUdJOa3TUBs=" {
		t.Errorf("its digest is %s", got)
	}
}
