package unkeyv2

import (
	"bytes"
	"encoding/json"
	"testing"

	"tollgate/verify"

	"pgregory.net/rapid"
)

// What a verification answers by hand is what encoding/json would write.
func TestAppendJSON(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[a-z"\\<>&.\x01-\x1f\x{2028}é]{0,12}`), rapid.String())
	texts := rapid.SliceOfN(text, 0, 3)
	limit := rapid.Custom(func(t *rapid.T) limitResponse {
		return limitResponse{rapid.Bool().Draw(t, "auto"), rapid.Int64().Draw(t, "duration"), text.Draw(t, "id"), rapid.Int64().Draw(t, "limit"), text.Draw(t, "name")}
	})
	verifiedLimit := rapid.Custom(func(t *rapid.T) limitVerified {
		l := limit.Draw(t, "limit")
		return limitVerified{l.AutoApply, l.Duration, rapid.Bool().Draw(t, "exceeded"), l.ID, l.Limit, l.Name, rapid.Int64().Draw(t, "remaining"), rapid.Int64().Draw(t, "reset")}
	})
	about := rapid.SampledFrom([]json.RawMessage{nil, json.RawMessage(`{}`), json.RawMessage(`{"a":[1,"b",null]}`)})
	rapid.Check(t, func(t *rapid.T) {
		v := &verifyKeyResponse{Meta: meta{text.Draw(t, "request")}}
		d := &v.Data
		d.Code, d.Valid = verify.Code(text.Draw(t, "code")), rapid.Bool().Draw(t, "valid")
		d.KeyID, d.Name, d.Meta, d.Expires = text.Draw(t, "id"), text.Draw(t, "name"), about.Draw(t, "meta"), rapid.Int64().Draw(t, "expires")
		d.Permissions, d.Roles = texts.Draw(t, "permissions"), texts.Draw(t, "roles")
		d.Ratelimits = rapid.SliceOfN(verifiedLimit, 0, 3).Draw(t, "limits")
		if rapid.Bool().Draw(t, "more") {
			credits, enabled := rapid.Int64().Draw(t, "credits"), rapid.Bool().Draw(t, "enabled")
			d.Credits, d.Enabled = &credits, &enabled
			d.Identity = &identityResponse{text.Draw(t, "external"), text.Draw(t, "identity"), about.Draw(t, "meta"), rapid.SliceOfN(limit, 0, 2).Draw(t, "shared")}
		}
		want, got := decoded(t, mustMarshal(t, (*envelope[verified])(v))), decoded(t, v.AppendJSON(nil))
		if want != got {
			t.Fatalf("encoding/json gives\n%s\nAppendJSON\n%s", want, got)
		}
	})
}

func mustMarshal(t *rapid.T, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decoded writes JSON again in the order it was read, so that only the spelling of
// strings is left out of the comparison: encoding/json escapes more.
func decoded(t *rapid.T, b []byte) string {
	out := ""
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if err != nil {
			if !json.Valid(b) {
				t.Fatalf("not JSON: %s", b)
			}
			return out
		}
		one, _ := json.Marshal(token) // a Delim is a number then, which differs for each
		out += string(one) + " "
	}
}
