package leaks

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
)

// Names are the keys that a store has or had, by what it calls them: the first byte of the
// key's SHA-256 in hex and the next sixteen in base64, as in tg:k:{SH}TAG.
type Names map[string]bool

// named finds them wherever they are mentioned: of a key, of one that was deleted, of when one
// was used, and of what a setup key was redeemed by. They may stand in a binary file.
var named = regexp.MustCompile(`tg:(?:k|t|n|sr|sp|sf):\{([0-9a-f]{2})\}([A-Za-z0-9_-]{22})`)

// Learn takes every name in a text.
func (n Names) Learn(text []byte) {
	for _, found := range named.FindAllSubmatch(text, -1) {
		n[string(found[1])+string(found[2])] = true
	}
}

// has reports whether a secret is a key of the store.
func (n Names) has(secret []byte) bool {
	d := sha256.Sum256(secret)
	var name [2 + 22]byte
	hex.Encode(name[:2], d[:1])
	base64.RawURLEncoding.Encode(name[2:], d[1:17])
	return n[string(name[:])]
}

// Bounds of a word that may be a key. A shorter one has been chosen by hand, a longer one is
// no key.
const (
	shortest = 12
	longest  = 512
)

// Search returns the keys among the words of a text, each once.
func (n Names) Search(place string, text []byte) (found []Leak) {
	seen := map[string]bool{}
	take := func(word []byte, form string) {
		if form != "" && !seen[string(word)] {
			seen[string(word)] = true
			d := sha256.Sum256(word)
			found = append(found, Leak{Secret: "a key, of SHA-256 " + hex.EncodeToString(d[:4]) + "…", Form: form, Place: place})
		}
	}
	eachRun(text, func(run []byte) {
		eachWord(run, func(word []byte) { take(word, n.form(word)) })
	})
	eachSecret(text, func(word []byte) {
		if n.has(word) {
			take(word, "as it is")
		}
	})
	return found
}

// form tells how a word is a key; "" where it is none.
func (n Names) form(word []byte) string {
	if n.has(word) {
		return "as it is"
	}
	var raw [longest]byte
	if size, err := hex.Decode(raw[:], word); err == nil && n.has(raw[:size]) {
		return "hex"
	}
	for _, coding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if size, err := coding.Decode(raw[:], word); err == nil && n.has(raw[:size]) {
			return "base64"
		}
	}
	return ""
}

// Characters that keys are made of, and those of them that can stand between two words.
var (
	ofWords  = setOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", between)
	ofBreaks = setOf(between)
)

const between = "_-.:/+=~"

func setOf(texts ...string) (set [256]bool) {
	for _, text := range texts {
		for i := range len(text) {
			set[text[i]] = true
		}
	}
	return set
}

// eachRun returns the runs of such characters that are long enough for a word.
func eachRun(text []byte, yield func([]byte)) {
	begin := 0
	for at := 0; at <= len(text); at++ {
		if at < len(text) && ofWords[text[at]] {
			continue
		}
		if at-begin >= shortest {
			yield(text[begin:at])
		}
		begin = at + 1
	}
}

// frayed is how many characters at the ends of a run may be a binary file's, where the
// length of a text stands before it.
const frayed = 2

// eachWord returns what a run may consist of: the parts that begin and end at the run's ends or at
// a character that can stand between two words.
func eachWord(run []byte, yield func([]byte)) {
	begins, ends := edges(run)
	for _, begin := range begins {
		for _, end := range ends {
			if end-begin >= shortest && end-begin <= longest {
				yield(run[begin:end])
			}
		}
	}
}

func edges(run []byte) (begins, ends []int) {
	for i := range frayed + 1 {
		begins, ends = append(begins, i), append(ends, len(run)-i)
	}
	for i, b := range run {
		if ofBreaks[b] {
			begins, ends = append(begins, i+1), append(ends, i)
		}
	}
	return begins, ends
}
