// Package leaks looks for secrets in what a program has written: logs, answers, dumps.
//
// Canaries are for who knows the secrets. Each is looked for as it is, in part, in hex, in
// base64 and in the other forms in which text gets written down:
//
//	var c leaks.Canaries
//	c.Add("the root key", rootKey)
//	found := c.Search("gateway-1.log", text)
//
// Names are for who does not: a store names its keys by their SHA-256, so a word whose
// digest is such a name is a key. Dir searches a folder of logs and Redis files so.
//
// No Leak holds the secret itself: what this package says can be printed.
package leaks

import (
	"fmt"
	"strings"
)

// Leak is a secret that was found where none may be.
type Leak struct {
	Secret string // what it is
	Form   string // how it was written
	Place  string // where
}

// String is a line for a report.
func (l Leak) String() string {
	return fmt.Sprintf("%s contains %s (%s)", l.Place, l.Secret, l.Form)
}

// Lines prints leaks, one a line.
func Lines(found []Leak) string {
	lines := make([]string, len(found))
	for i, l := range found {
		lines[i] = l.String()
	}
	return strings.Join(lines, "\n")
}
