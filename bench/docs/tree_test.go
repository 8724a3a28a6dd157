package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the source tree.
const root = "../.."

// documents lists README.md and every file of docs/.
func documents(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			name, _ := filepath.Rel(root, path)
			all = append(all, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil || len(all) < 2 {
		t.Fatalf("%d documents, %v", len(all), err)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// leftOut are folders that building the program does not need: what is made, what npm and
// git keep, and what tests alone read.
var leftOut = map[string]bool{".git": true, "node_modules": true, "bin": true, "out": true, "testdata": true}

// copyTree copies the source tree without its tests into a new folder. This process reads
// each file itself, so that go test knows what its result depends on.
func copyTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		to := filepath.Join(dir, name)
		switch {
		case err != nil:
			return err
		case leftOut[d.Name()] && d.IsDir():
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case leftOut[d.Name()] || strings.HasSuffix(name, "_test.go") || !d.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
