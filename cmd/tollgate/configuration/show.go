package configuration

import (
	"fmt"
	"io"
	"reflect"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// Values returns the settings of a command that was parsed, as text, by their names.
func (r *Resolver) Values(ctx *kong.Context) map[string]string {
	all := map[string]string{}
	for _, flag := range ctx.Flags() {
		if len(flag.Envs) > 0 {
			all[flag.Name] = fmt.Sprintf("%#v", flag.Target.Interface())
		}
	}
	return all
}

// Show writes the settings of a command that was parsed as a configuration file that says the
// same, with where each comes from behind it. masked returns a secret as it may be shown.
func (r *Resolver) Show(ctx *kong.Context, w io.Writer, masked func(*kong.Flag, string) string) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, known := range r.flags(ctx.Model) {
		for _, flag := range ctx.Flags() {
			if flag.Name == known.Name {
				value := &yaml.Node{}
				if err := value.Encode(shown(flag, masked)); err != nil {
					return err
				}
				if value.Kind == yaml.SequenceNode {
					value.Style = yaml.FlowStyle
				}
				value.LineComment = r.source(ctx, flag)
				root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: flag.Name}, value)
			}
		}
	}
	encoder := yaml.NewEncoder(w)
	defer encoder.Close()
	return encoder.Encode(root)
}

// shown is the value of a flag for YAML.
func shown(flag *kong.Flag, masked func(*kong.Flag, string) string) any {
	value := flag.Target.Interface()
	if Secret(flag) {
		value = masked(flag, fmt.Sprint(value))
	}
	if text, ok := value.(fmt.Stringer); ok { // a duration
		return text.String()
	}
	if flag.Target.Kind() == reflect.Slice && flag.Target.Len() == 0 {
		return []string{}
	}
	return value
}

// source says where a setting comes from.
func (r *Resolver) source(ctx *kong.Context, flag *kong.Flag) string {
	for _, trace := range ctx.Path {
		if trace.Flag == flag && !trace.Resolved {
			return "command line"
		}
	}
	if where := r.sources[flag.Name]; where != "" {
		return where
	}
	return "default"
}
