package keys

import "strings"

// Can reports whether the caller has a right over the thing with an id. It is for
// those who decide by themselves; the operations of a Store take an Access.
func (c *Caller) Can(r Right, id string) bool {
	if c.granted(Everything) {
		return true
	}
	resource, action, _ := strings.Cut(string(r), ".")
	return c.granted(resource+".*."+action) || id != "" && c.granted(resource+"."+id+"."+action)
}
