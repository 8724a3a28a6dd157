package leaks_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/keys/keystest/leaks"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

// prefixes are as long as they may be, and together have every character of ASCII, those between
// which the lengths of UTF-8 change, and bytes that are no character: keys takes all of them.
func prefixes() (all []string) {
	var ascii []rune
	for r := range rune(128) {
		ascii = append(ascii, r)
	}
	for part := range slices.Chunk(ascii, keys.MaxPrefix) {
		all = append(all, string(part))
	}
	for _, one := range []string{"\u0080", "\u07ff", "\u0800", "\u2028", "\ufeff", "\uffff", "\U00010000", "\U0010ffff", "🔑", "\xff", `\`, `\u`, "%41", "_"} {
		all = append(all, one, strings.Repeat(one, keys.MaxPrefix/len([]rune(one))))
	}
	return append(all, "it's a key", "é", "a", "Bearer ", `","key":"`)
}

// A key is found whatever its prefix, and however a log or an answer writes that down.
func TestAKeyIsFoundWithAnyPrefix(t *testing.T) {
	store := store.Open(redis.NewClient(&redis.Options{Addr: redistest.Mini(t).Addr()}), store.Options{})
	ws := must(store.Workspace(t.Context(), "test"))
	a := keys.Operator(ws).As()
	api := must(store.CreateAPI(t.Context(), a, "test"))
	for _, prefix := range prefixes() {
		made, err := store.CreateKey(t.Context(), a, keys.KeyDraft{APIID: api.ID, Prefix: prefix})
		if err != nil {
			t.Fatalf("%q: %v", prefix, err)
		}
		secret := made.Secret.Reveal()
		name, _ := layout.RecordName(made.Secret.Digest())
		names := leaks.Names{}
		names.Learn([]byte(name))
		for _, written := range written(secret) {
			for _, text := range []string{written, "msg=" + written + " took=1ms", "\x78\x41" + written + "A\x00", "é" + written + "\n", `{"key":"` + written + `"}`} {
				if found := names.Search("a log", []byte(text)); len(found) != 1 || strings.Contains(leaks.Lines(found), secret) {
					t.Errorf("%q in %q: found %v", prefix, text, found)
				}
			}
		}
		if found := names.Search("a log", []byte(prefix+"_"+secret[strings.LastIndexByte(secret, '_')+1:][:4]+" "+made.ID+" "+name)); found != nil {
			t.Errorf("%q: found %v where it is not", prefix, found)
		}
	}
}

// written are the ways to write a text that any prefix goes into, and those that this one does.
func written(secret string) []string {
	all := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), fmt.Sprintf("%q", secret), fmt.Sprintf("%+q", secret),
		hex.EncodeToString([]byte(secret)), strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
	}
	var again string
	if text := must(json.Marshal(secret)); json.Unmarshal(text, &again) == nil && again == secret {
		all = append(all, string(text), strings.Trim(strconv.QuoteToASCII(secret), `"`), slashU(secret))
	}
	return all
}

// slashU escapes every character before the last "_" as the strictest writers of JSON do.
func slashU(secret string) string {
	at := strings.LastIndexByte(secret, '_')
	var b strings.Builder
	for _, r := range secret[:at] {
		if r > 0xffff {
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String() + secret[at:]
}

// The search knows how far a prefix can reach.
func TestNoPrefixIsLonger(t *testing.T) {
	if keys.MaxPrefix != leaks.MaxPrefix || keys.MinSecretBytes < 16 {
		t.Errorf("prefixes of up to %d characters, secrets of %d bytes", keys.MaxPrefix, keys.MinSecretBytes)
	}
}
