package schema

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// parseRules reads a check tag for a value of kind k. What is said of the
// field rather than of its value is left to presence.
func parseRules(k kind, check, pattern string) (r rules, err error) {
	for _, one := range split(check) {
		key, value, _ := strings.Cut(one, "=")
		if key == "required" || key == "nullable" || key == "default" {
			continue
		}
		if err := r.add(k, key, value); err != nil {
			return r, err
		}
	}
	if pattern != "" {
		if k != kindString {
			return r, fmt.Errorf("pattern is for strings")
		}
		r.pattern, err = regexp.Compile(pattern)
	}
	return r, err
}

func split(check string) []string {
	if check == "" {
		return nil
	}
	return strings.Split(check, ",")
}

func (r *rules) add(k kind, key, value string) error {
	if key == "enum" && k == kindString {
		r.enum = strings.Split(value, "|")
		return nil
	}
	slot := r.slot(k, key)
	if slot == nil {
		return fmt.Errorf("check %q does not apply to this type", key)
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("check %s: %w", key, err)
	}
	*slot = &n
	return nil
}

// rule is a check as it applies to a kind of value.
type rule struct {
	kind kind
	key  string
}

// slot returns the place of a numeric rule, nil for one that k does not have.
func (r *rules) slot(k kind, key string) **int64 {
	return map[rule]**int64{
		{kindString, "minLen"}:        &r.minLen,
		{kindString, "maxLen"}:        &r.maxLen,
		{kindInteger, "min"}:          &r.min,
		{kindInteger, "max"}:          &r.max,
		{kindInteger, "exclusiveMin"}: &r.above,
		{kindArray, "minItems"}:       &r.minItems,
		{kindArray, "maxItems"}:       &r.maxItems,
		{kindObject, "maxProps"}:      &r.maxProps,
	}[rule{k, key}]
}

// presence reads what a check tag says of the member itself.
func (f *field) presence(check string) error {
	for _, one := range split(check) {
		key, value, _ := strings.Cut(one, "=")
		switch key {
		case "required":
			f.required = true
		case "nullable":
			if f.holder == holdPlain {
				return fmt.Errorf("nullable needs a pointer or a Maybe")
			}
			f.nullable = true
		case "default":
			if err := f.setFallback(value); err != nil {
				return err
			}
		}
	}
	if f.required && f.fallback != nil {
		return fmt.Errorf("a required member has no default")
	}
	return nil
}

func (f *field) setFallback(text string) error {
	v := reflect.New(f.node.typ).Elem()
	switch {
	case f.holder == holdMaybe:
		return fmt.Errorf("a Maybe has no default: absent is one of its values")
	case f.node.kind == kindString && (f.node.rules.enum == nil || slices.Contains(f.node.rules.enum, text)):
		v.SetString(text)
	case f.node.kind == kindBool && (text == "true" || text == "false"):
		v.SetBool(text == "true")
	case f.node.kind == kindInteger && numberLen(text) == len(text):
		n, fault := parseInteger(text)
		if fault != integerOK {
			return fmt.Errorf("default %s is not an integer", text)
		}
		v.SetInt(n)
	default:
		return fmt.Errorf("default %q does not fit the type", text)
	}
	f.fallback = &v
	return nil
}
