package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// source is the Go files of the module that are not tests, by their paths below root.
func source(t *testing.T) (*token.FileSet, map[string]*ast.File) {
	t.Helper()
	set, files := token.NewFileSet(), map[string]*ast.File{}
	for _, path := range paths(t, ".go") {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, filepath.Join(root, path), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = file
	}
	if len(files) < 100 {
		t.Fatalf("only %d files were found", len(files))
	}
	return set, files
}

// paths lists the files with an extension, but for those of other modules and of tools.
func paths(t *testing.T, extension string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "out") {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != root {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) == extension {
			relative, err := filepath.Rel(root, path)
			found = append(found, filepath.ToSlash(relative))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// coined are words that this project once had for what has a name in Go or in the field
// already. Ordinary words, such as drain, line or hold, are not among them: they may stand
// where they mean what they say.
var coined = regexp.MustCompile(`(?i)\b(askers?|askApart|aboard|turnAway|patience|tickets?|giveBack|lookOnly|bury|buried|burials?|graves?|berths?|moors?|moored|unmoor(s|ed)?|` +
	`doomed|condemn(s|ed)?|enlist(s|ed)?|delist(s|ed)?|sightings?|nouns?|harmless|disturbers?|lateness|minted)\b`)

// verbs are what doc comments say in other words: returns, reports whether.
var verbs = regexp.MustCompile(`^(// \w+ gives (the|a|an|its|each|those|what|up to) |.*\b[Tt]ells (whether|if)\b)`)

// allowed are the words in comments about what a client or a file calls so.
var allowed = regexp.MustCompile("`[^`]*`|\"[^\"]*\"|noun and verb")

// No name, file name or comment has a word that must be learnt first.
func TestWords(t *testing.T) {
	set, files := source(t)
	for path, file := range files {
		if word := coined.FindString(strings.ReplaceAll(filepath.Base(path), "_", " ")); word != "" {
			t.Errorf("%s: the file's name has %q", path, word)
		}
		for _, group := range file.Comments {
			for _, comment := range group.List {
				for i, line := range strings.Split(comment.Text, "\n") {
					text := allowed.ReplaceAllString(line, "")
					if word := coined.FindString(text); word != "" {
						t.Errorf("%s:%d: the comment has %q", path, set.Position(comment.Pos()).Line+i, word)
					}
					if verb := verbs.FindString(text); verb != "" {
						t.Errorf("%s:%d: %q: returns, or reports whether", path, set.Position(comment.Pos()).Line+i, verb)
					}
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if name, ok := n.(*ast.Ident); ok && coined.MatchString(apart(name.Name)) {
				t.Errorf("%s:%d: the name %s", path, set.Position(name.Pos()).Line, name.Name)
			}
			return true
		})
	}
	for _, path := range paths(t, ".lua") {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if word := coined.FindString(strings.ReplaceAll(line, "_", " ")); word != "" {
				t.Errorf("%s:%d: %q", path, i+1, word)
			}
		}
	}
}

var capital = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// apart puts blanks between the words of a name.
func apart(name string) string { return capital.ReplaceAllString(name, "$1 $2") }

// A stranger finds a way through packages, files and functions of this size.
func TestSizes(t *testing.T) {
	set, files := source(t)
	packages, exported := map[string]int{}, map[string]int{}
	var lines, functions []int
	for path, file := range files {
		dir := filepath.Dir(path)
		n := set.File(file.Pos()).LineCount()
		packages[dir] += n
		lines = append(lines, n)
		for _, d := range file.Decls {
			exported[dir] += exports(d)
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			length := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1
			functions = append(functions, length)
			if length > 50 {
				t.Errorf("%s: %s has %d lines, more than 50", path, f.Name.Name, length)
			}
		}
	}
	for dir, n := range packages {
		if n > 3500 {
			t.Errorf("%s has %d lines, more than 3,500", dir, n)
		}
		if exported[dir] > 120 {
			t.Errorf("%s exports %d names, more than 120", dir, exported[dir])
		}
	}
	if n := percentile90(functions); n > 25 {
		t.Errorf("a tenth of the functions has more than %d lines", n)
	}
	if n := percentile90(lines); n > 250 {
		t.Errorf("a tenth of the files has more than %d lines", n)
	}
}

// exports counts the exported names of a declaration in a package's scope, but for constants.
func exports(d ast.Decl) (n int) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.IsExported() {
			n++
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					n++
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if d.Tok == token.VAR && name.IsExported() {
						n++
					}
				}
			}
		}
	}
	return n
}

func percentile90(all []int) int {
	slices.Sort(all)
	return all[len(all)*9/10]
}

// A field that is stored says so and under which number; one that is not says that: a field
// that is exported by accident must not become part of what is stored.
func TestStoredFieldsAreTagged(t *testing.T) {
	set, files := source(t)
	structs := 0
	for path, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			tagged := func(f *ast.Field) bool { return f.Tag != nil && strings.Contains(f.Tag.Value, "cbor:") }
			if !slices.ContainsFunc(s.Fields.List, tagged) {
				return true
			}
			structs++
			if first := s.Fields.List[0]; tagged(first) && strings.Contains(first.Tag.Value, "toarray") {
				return true // stored in their order
			}
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					if name.IsExported() && !tagged(f) {
						t.Errorf("%s:%d: %s has no cbor tag", path, set.Position(f.Pos()).Line, name.Name)
					}
				}
			}
			return true
		})
	}
	if structs < 15 {
		t.Errorf("only %d structs are stored", structs)
	}
}
