package leaks

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A generated key is a prefix, "_" and base58. The prefix may be any characters at all, so that it is
// no word: it is what stands before the "_", as far as a prefix can reach.

// leastBody is how many characters of base58 a key has, but for one of 2^20; ids have fewer.
const leastBody = 19

// Bounds of a prefix: in characters, as keys.MaxPrefix has it, and in bytes, where each is
// written as a surrogate pair, \ud83d\ude00.
const (
	maxPrefix = 16
	reach     = maxPrefix * 12
)

var ofBase58 = setOf("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")

// eachSecret returns what may be a generated key: from each place that its prefix may begin at to the
// end of its base58, and that without what a binary file may have put behind it.
func eachSecret(text []byte, yield func([]byte)) {
	for from := 0; ; {
		at := bytes.IndexByte(text[from:], '_')
		if at < 0 {
			return
		}
		body := from + at + 1
		end := body
		for end < len(text) && ofBase58[text[end]] {
			end++
		}
		for cut := range frayed + 1 {
			if size := end - cut - body; size >= leastBody && size <= longest {
				eachPrefix(text[max(0, body-1-reach):end-cut], size+1, yield)
			}
		}
		from = body
	}
}

// eachPrefix returns a key, of which the last size bytes stand, with each prefix that it may have.
func eachPrefix(text []byte, size int, yield func([]byte)) {
	before, tail := text[:len(text)-size], text[len(text)-size:]
	for begin := len(before) - 1; begin >= max(0, len(before)-maxPrefix*utf8.UTFMax); begin-- {
		yield(text[begin:])
	}
	if !bytes.ContainsAny(before, `\%+`) {
		return
	}
	for begin := len(before) - 1; begin >= 0; begin-- {
		for _, plain := range unescaped(string(before[begin:])) {
			yield(append([]byte(plain), tail...))
		}
	}
}

// unescaped reads a text in the ways in which JSON, Go and addresses write what they can't write
// as it is.
func unescaped(text string) (all []string) {
	if strings.Contains(text, `\`) {
		var plain string
		if json.Unmarshal([]byte(`"`+text+`"`), &plain) == nil {
			all = append(all, plain)
		}
		if plain, err := strconv.Unquote(`"` + text + `"`); err == nil {
			all = append(all, plain)
		}
	}
	if strings.ContainsAny(text, "%+") {
		if plain, err := url.QueryUnescape(text); err == nil {
			all = append(all, plain)
		}
		if plain, err := url.PathUnescape(text); err == nil {
			all = append(all, plain)
		}
	}
	return all
}
