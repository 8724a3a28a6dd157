package docs

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// block is a fenced block of a Markdown file.
type block struct {
	line       int    // of the opening fence, from 1
	language   string // the first word behind the fence
	background bool
	runBy      string // the file that runs it, from the root of the tree; "" for this package
	notRun     string // why it is not run; "" where it is
	text       string
}

// shownOnly are the languages whose blocks are never commands.
var shownOnly = map[string]bool{"text": true, "json": true, "yaml": true, "nginx": true}

// runnable are the languages that this package runs.
var runnable = map[string]bool{"sh": true, "console": true, "go": true}

// elsewhere are the languages whose blocks only another test can run.
var elsewhere = map[string]bool{"ts": true, "python": true}

var (
	attribute   = regexp.MustCompile(`\s(run-by|not-run)="([^"]*)"`)
	errNoPrompt = errors.New(`a console block begins with "$ "`)
)

// blocks returns the fenced blocks of a Markdown text in their order. It fails for a fence
// that is not closed, for a language and for words behind it that mean nothing, and for a
// block that is neither run nor says why.
func blocks(text string) ([]block, error) {
	var all []block
	var open *block
	for i, line := range strings.Split(text, "\n") {
		fence := strings.TrimSpace(line)
		switch {
		case open == nil && strings.HasPrefix(fence, "```"):
			b, err := parseFence(strings.TrimLeft(fence, "`"))
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			b.line, open = i+1, &b
		case open != nil && fence == "```":
			all, open = append(all, *open), nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the fence is not closed", open.line)
	}
	return all, nil
}

// parseFence reads the words behind an opening fence.
func parseFence(info string) (block, error) {
	rest, b := " "+info, block{}
	for _, m := range attribute.FindAllStringSubmatch(rest, -1) {
		if m[2] == "" {
			return b, fmt.Errorf("%s is empty", m[1])
		}
		if m[1] == "run-by" {
			b.runBy = m[2]
		} else {
			b.notRun = m[2]
		}
	}
	words := strings.Fields(attribute.ReplaceAllString(rest, ""))
	if len(words) > 0 {
		b.language, words = words[0], words[1:]
	}
	for _, word := range words {
		if word != "background" {
			return b, fmt.Errorf("%q behind a fence means nothing", word)
		}
		b.background = true
	}
	return b, b.check()
}

func (b *block) check() error {
	marked := b.runBy != "" || b.notRun != ""
	switch {
	case !shownOnly[b.language] && !runnable[b.language] && !elsewhere[b.language]:
		return fmt.Errorf("the language %q is not one of those of this package", b.language)
	case elsewhere[b.language] && !marked:
		return fmt.Errorf("a block of %s needs run-by or not-run", b.language)
	case shownOnly[b.language] && (marked || b.background):
		return fmt.Errorf("a block of %s is never run: it needs no word about that", b.language)
	case b.background && b.language != "sh":
		return fmt.Errorf("a block of %s can't run in the background", b.language)
	case b.runBy != "" && b.notRun != "":
		return errors.New("run-by and not-run exclude each other")
	}
	return nil
}

// step is a command of a console block and what it prints.
type step struct{ command, output string }

// steps takes a console block apart. A command continues in the lines behind it that begin
// with "> ".
func steps(text string) ([]step, error) {
	var all []step
	inCommand := false
	for line := range strings.Lines(text) {
		command, starts := strings.CutPrefix(line, "$ ")
		more, continues := strings.CutPrefix(line, "> ")
		switch {
		case starts:
			all = append(all, step{command: command})
		case len(all) == 0:
			return nil, errNoPrompt
		case continues && inCommand:
			all[len(all)-1].command += more
		default:
			all[len(all)-1].output += line
		}
		inCommand = starts || continues && inCommand
	}
	return all, nil
}

// matches reports whether got is what a document says is printed: "…" stands for any text
// within its line, and a line "…" for any lines. White space at the ends does not count.
func matches(want, got string) bool {
	lines := strings.Split(strings.TrimSpace(want), "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, " ")
		if line == "…" {
			lines[i] = `(?s:.*)`
			continue
		}
		parts := strings.Split(line, "…")
		for j, part := range parts {
			parts[j] = regexp.QuoteMeta(part)
		}
		lines[i] = strings.Join(parts, `.*`)
	}
	return regexp.MustCompile(`\A` + strings.Join(lines, `[ ]*\n`) + `\z`).MatchString(strings.TrimSpace(got))
}
