package leaks

import (
	"encoding/binary"
)

// Canaries are secrets that are known, and looked for. The zero value has none.
type Canaries struct {
	needles map[uint64][]needle // by their first bytes, so that one pass finds any of them
	names   map[string]bool
}

// needle is a form of a part of a secret.
type needle struct {
	text string
	Leak
}

// grip is how many bytes a needle is first told by.
const grip = 8

// Add has a secret looked for. The name is what reports call it. It panics where a secret
// is too short for what is found to mean anything.
func (c *Canaries) Add(name, secret string) {
	if len(secret) < fragment {
		panic("leaks: " + name + " is too short to be looked for")
	}
	if c.needles == nil {
		c.needles, c.names = map[uint64][]needle{}, map[string]bool{}
	}
	c.names[name] = true
	for body, text := range bodies(secret) {
		for _, part := range fragments(text) {
			for form, written := range forms(part) {
				start := binary.LittleEndian.Uint64(written)
				c.needles[start] = append(c.needles[start], needle{string(written), Leak{Secret: name, Form: body + ", " + form}})
			}
		}
	}
}

// Len is how many names of secrets there are.
func (c *Canaries) Len() int { return len(c.names) }

// Search returns each secret that is in a text, in the first form that it is found in.
func (c *Canaries) Search(place string, text []byte) (found []Leak) {
	seen := map[string]bool{}
	for at := 0; at+grip <= len(text); at++ {
		for _, n := range c.needles[binary.LittleEndian.Uint64(text[at:])] {
			if !seen[n.Secret] && len(text)-at >= len(n.text) && string(text[at:at+len(n.text)]) == n.text {
				seen[n.Secret] = true
				found = append(found, Leak{n.Secret, n.Form, place})
			}
		}
	}
	return found
}
