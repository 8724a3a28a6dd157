package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// What documents say in the middle of a sentence is held against the tree.

var (
	link     = regexp.MustCompile(`\]\(([^)]+)\)`)
	codeSpan = regexp.MustCompile("`[^`\n]+`")
)

// prose returns a document without its fenced blocks.
func prose(text string) string {
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

// Each link leads to a file of the tree, and each anchor to a heading.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, name := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(prose(read(t, name)), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			file := name
			if target != "" {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: %s leads nowhere", name, m[1])
			} else if anchor != "" && !headings(read(t, file))[anchor] {
				t.Errorf("%s: %s: %s has no such heading", name, m[1], file)
			}
		}
	}
}

// headings returns the anchors of a document, as its renderers make them.
func headings(text string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(prose(text)) {
		if title := strings.TrimLeft(line, "#"); title != line {
			all[strings.Map(anchor, strings.ToLower(strings.TrimSpace(title)))] = true
		}
	}
	return all
}

func anchor(r rune) rune {
	switch {
	case r == ' ':
		return '-'
	case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
		return r
	}
	return -1
}

// README.md leads to every guide.
func TestEveryGuideIsLinked(t *testing.T) {
	readme := read(t, "README.md")
	for _, name := range documents(t)[1:] {
		if !strings.Contains(readme, "]("+name) {
			t.Errorf("README.md does not lead to %s", name)
		}
	}
}

// Make targets, metrics, tests and files that are named exist.
func TestWhatIsNamedExists(t *testing.T) {
	makefile, source, tests := read(t, "Makefile"), sources(t, ".go"), sources(t, "_test.go")
	onDisk := func(name string) bool {
		_, err := os.Stat(filepath.Join(root, name))
		return err == nil
	}
	kinds := []struct {
		kind   string
		named  *regexp.Regexp // in a code span
		exists func(name string) bool
	}{
		{"target", regexp.MustCompile(`\bmake ([a-z]+)`), func(name string) bool {
			return regexp.MustCompile(`(?m)^([a-z ]* )?` + name + `( [a-z ]*)?:`).MatchString(makefile)
		}},
		{"test", regexp.MustCompile(`-run ([A-Za-z]+)`), func(name string) bool {
			return regexp.MustCompile(`(?m)^func Test\w*` + name).MatchString(tests)
		}},
		{"metric", regexp.MustCompile(`^(tollgate_[a-z_]+)$`), func(name string) bool { return strings.Contains(source, `"`+name+`"`) }},
		{"folder", regexp.MustCompile(`(?:^|\s)(?:\./|cd )([a-z][a-z/]*)`), onDisk},
		{"file", regexp.MustCompile(`^((?:cmd|verify|keys|bench|deploy|ratelimit|refill)/[\w/.-]*)$`), onDisk},
	}
	for _, name := range documents(t) {
		for _, span := range codeSpan.FindAllString(prose(read(t, name)), -1) {
			for _, k := range kinds {
				for _, m := range k.named.FindAllStringSubmatch(strings.Trim(span, "`"), -1) {
					if !k.exists(m[1]) {
						t.Errorf("%s: %s: there is no %s %s", name, span, k.kind, m[1])
					}
				}
			}
		}
	}
}

// What troubleshooting says that the program prints, it can print.
func TestMessagesAreTheProgramsOwn(t *testing.T) {
	source := sources(t, ".go")
	_, table, _ := strings.Cut(read(t, "docs/troubleshooting.md"), "| it says |")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := 0
	for line := range strings.Lines(table) {
		if m := codeSpan.FindString(line); m != "" && strings.HasPrefix(line, "| `") {
			rows++
			if message := strings.Trim(m, "`"); !strings.Contains(source, message) {
				t.Errorf("no message has %q", message)
			}
		}
	}
	if rows < 5 {
		t.Errorf("%d rows", rows)
	}
}

// sources returns the tree's Go code in one text: that of its tests for "_test.go", the other
// for ".go".
func sources(t *testing.T, suffix string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && leftOut[d.Name()]:
			return fs.SkipDir
		case !strings.HasSuffix(path, suffix) || suffix == ".go" && strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// README.md is for somebody who has two minutes.
func TestTheReadmeIsShort(t *testing.T) {
	if n := strings.Count(read(t, "README.md"), "\n"); n >= 200 {
		t.Errorf("README.md has %d lines, want fewer than 200", n)
	}
}

// unclear are words that this project once made up or used in a sense of its own, and
// sentences that readers stumbled over.
var unclear = regexp.MustCompile(`(?i)\b(asker|berth|moor|unmoor|bury|buried|grave|ticket|aboard|patience|doomed|condemn|passengers?|stranger|minted)\b` +
	`|tells whether|waits? in line|is told the same|share all state and keep none|and\s+go on|What has no endpoint|the last of a shorter month|only just switched on`)

// placeholder is a word that stands for something to be written.
var placeholder = regexp.MustCompile(`(?m)^[A-Z]{4,}$|\b(TODO|TBD|FIXME|XXX)\b`)

func TestDocumentsAreInPlainWords(t *testing.T) {
	for _, name := range documents(t) {
		text := prose(read(t, name))
		for _, wrong := range []*regexp.Regexp{unclear, placeholder} {
			if found := wrong.FindAllString(text, -1); len(found) > 0 {
				t.Errorf("%s has %q", name, found)
			}
		}
	}
}
