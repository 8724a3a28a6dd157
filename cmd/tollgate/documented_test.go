package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tollgate/cmd/tollgate/configuration"
	"tollgate/keys"

	"github.com/alecthomas/kong"
)

// The tables of README.md and docs/ that say what the program has are held against the
// program. After a change: go test ./cmd/tollgate -run Documented -update-docs
var updateDocs = flag.Bool("update-docs", false, "rewrite the tables of docs/ that are made of the program")

const guides = "../../docs/"

// sameTable compares what stands between two marks of a document, or rewrites it.
func sameTable(t *testing.T, file, mark, want string) {
	t.Helper()
	mark = "<!-- " + mark + " -->\n"
	text, err := os.ReadFile(guides + file)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), mark)
	if len(parts) != 3 {
		t.Fatalf("docs/%s does not have a table between two %s", file, mark)
	}
	switch {
	case parts[1] == want:
	case *updateDocs:
		parts[1] = want
		if err := os.WriteFile(guides+file, []byte(strings.Join(parts, mark)), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("docs/%s is not what the program has; -update-docs would write\n%s", file, want)
	}
}

// Every setting of serve is documented with its default and its help.
func TestDocumentedSettings(t *testing.T) {
	var b strings.Builder
	b.WriteString("| flag | environment | default | meaning |\n|---|---|---|---|\n")
	for _, f := range commandLine(t).Find("serve").Flags {
		name, value := "--"+f.Name, f.Default
		if f.Tag.Negatable != "" {
			name = "--[no-]" + f.Name
		}
		if value == "" && f.Target.Kind() == reflect.Bool {
			value = "false"
		}
		help := strings.NewReplacer(" ("+f.Default+")", "", "|", "\\|", "\n", " ").Replace(f.Help)
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", name, strings.Join(f.Envs, "`, `"), quoted(value), help)
	}
	sameTable(t, "configuration.md", "settings", b.String())
}

func quoted(value string) string {
	if value == "" {
		return "–"
	}
	return "`" + value + "`"
}

// README.md has every right that a root key can have, and nothing else that looks like one.
func TestDocumentedRights(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "| a root key needs |")
	section, _, _ = strings.Cut(section, "\n\n")
	var named []string
	for _, m := range regexp.MustCompile("`([a-z_]+\\.\\*\\.[a-z_]+|\\*)`").FindAllStringSubmatch(section, -1) {
		named = append(named, m[1])
	}
	slices.Sort(named)
	if known := keys.KnownGrants(); !slices.Equal(named, known) {
		t.Errorf("README.md names\n%v\nand the rights are\n%v", named, known)
	}
}

// docs/rights.md says of each right over what it is given and how many endpoints need it, and
// of each endpoint which rights it needs.
func TestDocumentedEndpoints(t *testing.T) {
	var endpoints strings.Builder
	endpoints.WriteString("| endpoint | rights | some requests |\n|---|---|---|\n")
	needed := map[string]int{}
	for _, r := range serveAll(nil, nil).Routes() {
		needs, also := granted(r.Needs), granted(r.Also)
		if !r.Public {
			fmt.Fprintf(&endpoints, "| `%s %s` | %s | %s |\n", r.Method, r.Path, listed(needs), listed(also))
		}
		for _, grant := range append(needs, also...) {
			needed[grant]++
		}
	}
	sameTable(t, "rights.md", "endpoints", endpoints.String())

	var rights strings.Builder
	rights.WriteString("| right | ID | endpoints that need it |\n|---|---|---|\n")
	for _, grant := range keys.KnownGrants()[1:] { // without "*"
		id := "`*` alone"
		if keys.CheckGrants([]string{strings.Replace(grant, "*", "an_id", 1)}) == nil {
			id = "`*` or one thing"
		}
		fmt.Fprintf(&rights, "| `%s` | %s | %d |\n", grant, id, needed[grant])
	}
	sameTable(t, "rights.md", "rights", rights.String())
}

// granted returns the grants that give the rights of a column of the route table.
func granted(column any) []string {
	all := rightsOf(column)
	for i, right := range all {
		all[i] = strings.Replace(right, ".", ".*.", 1)
	}
	return all
}

func listed(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return "`" + strings.Join(all, "`, `") + "`"
}

func commandLine(t *testing.T) model {
	t.Helper()
	parser, err := kong.New(&program{}, kong.Name("tollgate"))
	if err != nil {
		t.Fatal(err)
	}
	return model{parser.Model.Node}
}

// model is a command and what is below it.
type model struct{ *kong.Node }

// Find returns the command of that name, or a model of nil.
func (m model) Find(name string) model {
	for _, child := range m.Children {
		if child.Name == name {
			return model{child}
		}
	}
	return model{}
}

// names returns the flags and the variables of a command and of all below it.
func (m model) names() (all map[string]bool) {
	all = map[string]bool{"--help": true}
	_ = kong.Visit(m.Node, func(n kong.Visitable, next kong.Next) error {
		if f, ok := n.(*kong.Flag); ok {
			all["--"+f.Name] = true
			if f.Tag.Negatable != "" {
				all["--no-"+f.Name] = true
			}
			for _, name := range f.Envs {
				all[name] = true
				all[name+"_FILE"] = configuration.Secret(f)
			}
		}
		return next(nil)
	})
	return all
}

// elsewhere are variables of the tests and the Makefile, which the docs name as well.
var elsewhere = []string{"TOLLGATE_FULL", "TOLLGATE_SOAK", "TOLLGATE_BENCH_AOF"}

var (
	codeSpan    = regexp.MustCompile("`[^`\n]+`")
	inlineNames = regexp.MustCompile(`(?:^|[^\w-])(--[a-z][a-z-]*[a-z]|TOLLGATE_[A-Z_]+)`)
	variable    = regexp.MustCompile(`\bTOLLGATE_[A-Z_]+\b`)
	inlineCall  = regexp.MustCompile(`^(?:bin/)?tollgate ([a-z]+)(?: ([a-z][a-z-]+))?`)
)

// Commands, flags and variables that documents name in the middle of a sentence exist; the
// fenced blocks are run by bench/docs.
func TestDocumentedNames(t *testing.T) {
	root := commandLine(t)
	known := root.names()
	for _, name := range elsewhere {
		known[name] = true
	}
	for _, name := range recipeVariables(t) {
		known[name] = true
	}
	documents := []string{"../../README.md"}
	for _, pattern := range []string{"*.md", "*/*.md"} {
		documents = append(documents, must(filepath.Glob(guides+pattern))...)
	}
	if len(documents) < 10 {
		t.Fatalf("only %d documents were found", len(documents))
	}
	for _, file := range documents {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range codeSpan.FindAllString(withoutBlocks(string(text)), -1) {
			span = strings.Trim(span, "`")
			for _, m := range inlineNames.FindAllStringSubmatch(span, -1) {
				if !known[m[1]] {
					t.Errorf("%s: `%s`: there is no %s", file, span, m[1])
				}
			}
			if m := inlineCall.FindStringSubmatch(span); m != nil && !root.has(m[1], m[2]) {
				t.Errorf("%s: `%s` is not a command", file, span)
			}
		}
	}
}

// recipeVariables are those that the recipes of proxies read or set themselves.
func recipeVariables(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("../../deploy", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			text := must(os.ReadFile(path))
			names = append(names, variable.FindAllString(string(text), -1)...)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// has reports whether there is a command, with a subcommand where it takes one.
func (m model) has(command, sub string) bool {
	found := m.Find(command)
	return found.Node != nil && (sub == "" || len(found.Children) == 0 || found.Find(sub).Node != nil)
}

// withoutBlocks removes the fenced blocks.
func withoutBlocks(text string) string {
	var kept strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inside = !inside
		} else if !inside {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
