package configuration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// file is a configuration file that was read.
type file struct {
	path   string
	values map[string]*yaml.Node
}

const maxFile = 1 << 20 // bytes

// readFile reads a configuration file, in which the flags may stand.
func readFile(path string, flags map[string]*kong.Flag) (*file, error) {
	text, err := readAll(path)
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	if err := decoder.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %s", path, quoted.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "a value"))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one YAML document", path)
	}
	f := &file{path, map[string]*yaml.Node{}}
	if len(root.Content) == 0 {
		return f, nil
	}
	return f, f.take(root.Content[0], flags)
}

// quoted are values in the errors of YAML, which may be secrets.
var quoted = regexp.MustCompile("`[^`]*`|'[^']*'")

// readAll reads a file of at most maxFile bytes.
func readAll(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	return text, err
}

// take checks the members of the document and keeps them.
func (f *file) take(document *yaml.Node, flags map[string]*kong.Flag) error {
	if document.ShortTag() == "!!null" {
		return nil
	}
	if document.Kind != yaml.MappingNode {
		return f.wrong(document, "want settings such as addr: 127.0.0.1:8080")
	}
	for i := 0; i < len(document.Content); i += 2 {
		key, value := document.Content[i], document.Content[i+1]
		flag, known := flags[key.Value]
		switch {
		case !known:
			return f.wrong(key, "there is no setting %q%s", key.Value, nearest(key.Value, flags))
		case f.values[key.Value] != nil:
			return f.wrong(key, "%s was set in line %d already", key.Value, f.values[key.Value].Line)
		}
		if err := check(flag, value); err != nil {
			return f.wrong(value, "%s: %w", key.Value, err)
		}
		f.values[key.Value] = value
	}
	return nil
}

func (f *file) wrong(at *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s: line %d: %w", f.path, at.Line, fmt.Errorf(format, args...))
}

// nearest names the setting that was probably meant, if any is near.
func nearest(name string, flags map[string]*kong.Flag) string {
	best, distance := "", 4
	for candidate := range flags {
		if d := levenshtein.ComputeDistance(name, candidate); d < distance || d == distance && candidate < best {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// check reports what is wrong with a value for a flag.
func check(flag *kong.Flag, value *yaml.Node) error {
	kind := flag.Target.Kind()
	switch {
	case value.Kind == yaml.SequenceNode && kind == reflect.Slice:
		for _, one := range value.Content {
			if one.Kind != yaml.ScalarNode || one.ShortTag() != "!!str" {
				return fmt.Errorf("line %d: want text in the list", one.Line)
			}
		}
		return nil
	case value.Kind != yaml.ScalarNode || value.ShortTag() != tagOf(flag):
		return errors.New("want " + wanted(flag))
	}
	return try(flag, value)
}

// tagOf is the YAML type of a flag's scalars.
func tagOf(flag *kong.Flag) string {
	switch kind := flag.Target.Kind(); {
	case kind == reflect.Bool:
		return "!!bool"
	case flag.Target.CanInt() && flag.Target.Type().String() != "time.Duration", flag.Target.CanUint():
		return "!!int"
	}
	return "!!str"
}

func wanted(flag *kong.Flag) string {
	switch tag := tagOf(flag); {
	case tag == "!!bool":
		return "true or false"
	case tag == "!!int":
		return "a whole number"
	case flag.Target.Kind() == reflect.Slice:
		return "a list of text, or text with commas between"
	case flag.Target.CanInt():
		return "a duration such as 10s"
	}
	return "text; in quotes where it looks like something else"
}

// try reads a scalar as the flag would.
func try(flag *kong.Flag, value *yaml.Node) error {
	if flag.Enum != "" && !slices.Contains(strings.Split(flag.Enum, ","), value.Value) {
		return errors.New("want one of " + flag.Enum)
	}
	target := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Parse(kong.Scan().PushTyped(value.Value, kong.FlagValueToken), target); err != nil {
		return errors.New("want " + wanted(flag))
	}
	return nil
}

// value returns what the file says of a flag, for kong; nil where it says nothing.
func (f *file) value(name string) any {
	if f == nil || f.values[name] == nil {
		return nil
	}
	node := f.values[name]
	if node.Kind == yaml.ScalarNode {
		return node.Value
	}
	list := []any{}
	for _, one := range node.Content {
		list = append(list, one.Value)
	}
	return list
}
