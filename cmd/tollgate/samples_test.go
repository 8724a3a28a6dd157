package main

import (
	"fmt"
	"regexp"
	"strings"

	"tollgate/cmd/tollgate/web/schema"
)

// plain is the description of a value that may be null as well.
func plain(d schema.Description) schema.Description {
	if either, ok := d["anyOf"].([]schema.Description); ok && len(either) == 2 && either[1]["type"] == "null" {
		return either[0]
	}
	return d
}

// typeOf is the type of a value that may be null as well.
func typeOf(d schema.Description) string {
	if all, ok := d["type"].([]string); ok {
		return all[0]
	}
	one, _ := d["type"].(string)
	return one
}

// number is a bound of a value.
func number(d schema.Description, keyword string) (int64, bool) {
	n, ok := d[keyword].(int64)
	return n, ok
}

// textOf is a text of so many characters that keeps a value's pattern.
func textOf(d schema.Description, n int64) string {
	text := strings.Repeat("a", int(n))
	pattern, _ := d["pattern"].(string)
	if n > 1 && !regexp.MustCompile(pattern).MatchString(text) {
		text = strings.Repeat("a.", int(n))[:n-1] + "a"
	}
	return text
}

// sample is a value that keeps a description, with every member that it may have.
func sample(d schema.Description) any {
	d = plain(d)
	if enum, ok := d["enum"].([]string); ok {
		return enum[len(enum)-1]
	}
	switch typeOf(d) {
	case "string":
		least, _ := number(d, "minLength")
		return textOf(d, max(least, 3))
	case "integer":
		least, _ := number(d, "minimum")
		most, ok := number(d, "maximum")
		if least = max(least, 1); ok {
			least = min(least, most)
		}
		return least
	case "boolean":
		return true
	case "array":
		return []any{sample(d["items"].(schema.Description))}
	case "object":
		all := map[string]any{}
		properties, _ := d["properties"].(map[string]any)
		for name, member := range properties {
			all[name] = sample(member.(schema.Description))
		}
		return all
	}
	return "permission"
}

// with is a value in which the one at a path is another. What leads to it and is not there
// is a sample.
func with(in any, d schema.Description, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	d = plain(d)
	if path[0] == element {
		items := d["items"].(schema.Description)
		list, _ := in.([]any)
		if len(list) == 0 {
			list = []any{sample(items)}
		}
		return append([]any{with(list[0], items, path[1:], value)}, list[1:]...)
	}
	object, _ := in.(map[string]any)
	if object == nil {
		object = sample(d).(map[string]any)
	}
	member := d["properties"].(map[string]any)[path[0]].(schema.Description)
	object[path[0]] = with(object[path[0]], member, path[1:], value)
	return object
}

// edge is a value just within a bound, and the next one, which is not.
type edge struct {
	keyword         string
	inside, outside any
}

// edges are those of a value's bounds.
func edges(d schema.Description) []edge {
	var all []edge
	add := func(keyword string, of func(n int64) (inside, outside any)) {
		if n, ok := number(d, keyword); ok {
			inside, outside := of(n)
			all = append(all, edge{keyword, inside, outside})
		}
	}
	add("minimum", func(n int64) (any, any) { return n, n - 1 })
	add("exclusiveMinimum", func(n int64) (any, any) { return n + 1, n })
	add("maximum", func(n int64) (any, any) { return n, n + 1 })
	if typeOf(d) == "string" {
		add("minLength", func(n int64) (any, any) { return textOf(d, n), textOf(d, n-1) })
		add("maxLength", func(n int64) (any, any) { return textOf(d, n), textOf(d, n+1) })
	}
	list := func(n int64) any {
		all := make([]any, n)
		for i := range all {
			all[i] = sample(d["items"].(schema.Description))
			if text, ok := all[i].(string); ok && d["items"].(schema.Description)["enum"] == nil {
				all[i] = fmt.Sprint(text, i)
			}
			if named, ok := all[i].(map[string]any); ok && named["name"] != nil {
				named["name"] = fmt.Sprint("name", i)
			}
		}
		return all
	}
	add("minItems", func(n int64) (any, any) { return list(n), list(n - 1) })
	add("maxItems", func(n int64) (any, any) { return list(n), list(n + 1) })
	add("maxProperties", func(n int64) (any, any) { return objectOf(n), objectOf(n + 1) })
	if enum, ok := d["enum"].([]string); ok {
		for _, one := range enum {
			all = append(all, edge{"enum", one, one + "x"})
		}
	}
	if pattern, ok := d["pattern"].(string); ok {
		if outside := strings.Repeat(" ", 8); !regexp.MustCompile(pattern).MatchString(outside) {
			all = append(all, edge{"pattern", textOf(d, 8), outside})
		}
	}
	return append(all, unitEdges(d)...)
}

func objectOf(n int64) any {
	all := map[string]any{}
	for i := range n {
		all[fmt.Sprint("m", i)] = 1
	}
	return all
}

var unitOf = regexp.MustCompile(`At most (\d+) (?:bytes|characters) of JSON\.`)

// unitEdges are those of an object's bound, which JSON Schema has no keyword for.
func unitEdges(d schema.Description) []edge {
	text, _ := d["description"].(string)
	m := unitOf.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	n := 0
	_ = must(fmt.Sscan(m[1], &n))
	of := func(n int) any { return map[string]any{"m": strings.Repeat("a", n-len(`{"m":""}`))} }
	return []edge{{"bytes", of(n), of(n + 1)}}
}
