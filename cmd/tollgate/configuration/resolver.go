package configuration

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// Resolver reads settings from the environment's files and the configuration file. One is for
// one command line.
type Resolver struct {
	command string // whose flags may stand in the configuration file
	file    *file
	sources map[string]string
}

// New makes a Resolver. In the configuration file the flags of one command may stand; the
// others take from it what they have in common with that one.
func New(command string) *Resolver {
	return &Resolver{command: command, sources: map[string]string{}}
}

// Path is the flag that names the configuration file. The Resolver must be bound.
type Path string

// BeforeResolve reads the file.
func (Path) BeforeResolve(ctx *kong.Context, trace *kong.Path, r *Resolver) (err error) {
	path, _ := ctx.FlagValue(trace.Flag).(Path)
	if path == "" {
		return nil
	}
	flags := map[string]*kong.Flag{}
	for _, flag := range r.flags(ctx.Model) {
		flags[flag.Name] = flag
	}
	if r.file, err = readFile(string(path), flags); err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	return nil
}

// flags are those of the command, without those that are about the command line itself.
func (r *Resolver) flags(app *kong.Application) (all []*kong.Flag) {
	for _, child := range app.Children {
		if child.Name == r.command {
			for _, flag := range child.Flags {
				if len(flag.Envs) > 0 {
					all = append(all, flag)
				}
			}
		}
	}
	return all
}

// Validate implements kong.Resolver.
func (r *Resolver) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver: it returns the value of a flag that is not on the command
// line, and nil where the environment or the default decide. Two flags are the same setting
// where they share a name in the environment.
func (r *Resolver) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if len(flag.Envs) == 0 {
		return nil, nil
	}
	name := flag.Envs[0]
	_, set := os.LookupEnv(name)
	if path, given := os.LookupEnv(name + fileSuffix); given && Secret(flag) {
		if set {
			return nil, fmt.Errorf("%s and %s%s are both set: give one of them", name, name, fileSuffix)
		}
		r.sources[flag.Name] = name + fileSuffix
		return secretOf(name+fileSuffix, path)
	}
	if set {
		r.sources[flag.Name] = name
		return nil, nil
	}
	for _, one := range r.flags(ctx.Model) {
		if value := r.file.value(one.Name); value != nil && one.Name == flag.Name && one.Envs[0] == name {
			r.sources[flag.Name] = fmt.Sprintf("%s, line %d", r.file.path, r.file.values[one.Name].Line)
			return value, nil
		}
	}
	return nil, nil
}

// fileSuffix is what the variable of a file has behind the name of the secret's.
const fileSuffix = "_FILE"

// Secret reports whether a flag holds a secret, or a URL that may: it has the tag secret.
func Secret(flag *kong.Flag) bool { return flag.Tag.Has("secret") }

// secretOf reads the file of a secret. The line break that editors and echo put at the end is
// not part of it.
func secretOf(variable, path string) (any, error) {
	text, err := readAll(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if strings.TrimSpace(secret) == "" {
		return nil, errors.New(variable + ": the file is empty")
	}
	return secret, nil
}

// Exposed returns the flags with a secret that stand on the command line, which other users of
// the machine can read. masked returns a value without its secret.
func Exposed(ctx *kong.Context, masked func(*kong.Flag, string) string) (flags []*kong.Flag) {
	for _, trace := range ctx.Path {
		if f := trace.Flag; f != nil && !trace.Resolved && Secret(f) {
			if value := fmt.Sprint(f.Target.Interface()); masked(f, value) != value {
				flags = append(flags, f)
			}
		}
	}
	return flags
}
