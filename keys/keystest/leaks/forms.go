package leaks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
)

// A secret is looked for by its fragments, so that a part of it is found too: any 18
// bytes in a row have one. The start of a key that may be shown is shorter.
const (
	fragment = 12
	step     = 6
)

// fragments are parts of a secret that overlap, the last of them at its end.
func fragments(secret []byte) (all [][]byte) {
	for at := 0; at+fragment < len(secret); at += step {
		all = append(all, secret[at:at+fragment])
	}
	return append(all, secret[max(0, len(secret)-fragment):])
}

// bodies are what there is to hide of a secret: its characters behind the prefix, and the
// bytes that they spell.
func bodies(secret string) map[string][]byte {
	random := secret[strings.LastIndexByte(secret, '_')+1:]
	if len(random) < fragment { // the "_" was not a prefix's
		random = secret
	}
	all := map[string][]byte{"plain": []byte(random)}
	for name, raw := range map[string][]byte{
		"the bytes of its hex":    decoded(hex.DecodeString(strings.ReplaceAll(random, "-", ""))),
		"the bytes of its base58": base58Bytes(random),
		"the bytes of its base64": decoded(base64.StdEncoding.DecodeString(secret)),
	} {
		if len(raw) >= fragment {
			all[name] = raw
		}
	}
	return all
}

func decoded(raw []byte, err error) []byte {
	if err != nil {
		return nil
	}
	return raw
}

// base58Bytes is the number that the digits spell; nil when they are not base58.
func base58Bytes(text string) []byte {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	n := new(big.Int)
	for _, r := range text {
		digit := strings.IndexRune(alphabet, r)
		if digit < 0 {
			return nil
		}
		n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(digit)))
	}
	return n.Bytes()
}

// forms lists the ways in which a fragment could have been written down.
func forms(part []byte) map[string][]byte {
	all := map[string][]byte{
		"as it is":     part,
		"small":        bytes.ToLower(part),
		"capital":      bytes.ToUpper(part),
		"hex":          []byte(hex.EncodeToString(part)),
		"capital hex":  []byte(strings.ToUpper(hex.EncodeToString(part))),
		"a Go slice":   each(part, " ", "%d"),
		"a JSON array": each(part, ",", "%d"),
		"percent":      each(part, "", "%%%02X"),
		"JSON escapes": each(part, "", `\u%04x`),
		"Go escapes":   each(part, "", `\x%02x`),
	}
	for shift := range 3 { // what stands before it decides where its groups of three begin
		core := part[shift : shift+(len(part)-shift)/3*3]
		plus := strings.Repeat("+", shift)
		all["base64"+plus] = []byte(base64.StdEncoding.EncodeToString(core))
		all["base64 of URLs"+plus] = []byte(base64.URLEncoding.EncodeToString(core))
	}
	return all
}

// each writes byte by byte.
func each(part []byte, between, format string) []byte {
	words := make([]string, len(part))
	for i, b := range part {
		words[i] = fmt.Sprintf(format, b)
	}
	return []byte(strings.Join(words, between))
}
