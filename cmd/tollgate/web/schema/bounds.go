package schema

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// bounds reads the bound tags of a field, for its node and for the elements of an array.
// They are of requests: an answer may show what was stored before a bound was narrowed.
func (c *compiler) bounds(n *node, tag reflect.StructTag) error {
	if c.answers && c.constants == nil {
		return nil
	}
	if err := c.bound(n, tag.Get("bound"), tag.Get("boundPattern")); err != nil {
		return err
	}
	if items, pattern := tag.Get("itemsBound"), tag.Get("itemsBoundPattern"); items+pattern != "" {
		if n.kind != kindArray {
			return fmt.Errorf("itemsBound is for arrays")
		}
		return c.bound(n.elem, items, pattern)
	}
	return nil
}

// units are what the bounds count that JSON Schema has no keyword for.
var units = map[rule]string{
	{kindString, "maxBytes"}: "bytes of UTF-8",
	{kindObject, "maxBytes"}: "bytes of JSON",
	{kindObject, "maxChars"}: "characters of JSON",
}

// bound reads one bound tag. Its numbers may be the names of constants, so that what is
// described is what the domain checks.
func (c *compiler) bound(n *node, tag, pattern string) error {
	for _, one := range split(tag) {
		key, value, _ := strings.Cut(one, "=")
		if key == "enum" {
			if err := n.said.add(n.kind, key, value); err != nil {
				return err
			}
			continue
		}
		number, err := c.constant(value)
		if err != nil {
			return fmt.Errorf("bound %s: %w", key, err)
		}
		if unit := units[rule{n.kind, key}]; unit != "" {
			n.said.maxLen, n.unit = &number, unit
		} else if err := n.said.add(n.kind, key, strconv.FormatInt(number, 10)); err != nil {
			return err
		}
	}
	if pattern == "" {
		return nil
	}
	text, known := c.patterns[pattern]
	if !known || n.kind != kindString {
		return fmt.Errorf("boundPattern %q is not known, or not of a string", pattern)
	}
	var err error
	n.said.pattern, err = regexp.Compile(text)
	return err
}

// constant is a number, by itself or by its name.
func (c *compiler) constant(text string) (int64, error) {
	if n, known := c.constants[text]; known {
		return n, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a number nor a constant", text)
	}
	return n, nil
}
