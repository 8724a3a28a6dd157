package leaks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Report is what a search through a folder came to.
type Report struct {
	Keys  int // how many keys the files tell of
	Files int
	Bytes int64
	Leaks []Leak
}

// String is the report's first line.
func (r Report) String() string {
	return fmt.Sprintf("searched %d files, %d bytes, for the plaintexts of %d keys: found %d", r.Files, r.Bytes, r.Keys, len(r.Leaks))
}

// Err tells of leaks. A search that knew of no key was blind, which is an error too.
func (r Report) Err() error {
	switch {
	case r.Keys == 0:
		return errors.New("no key is named in what was searched: the search was blind")
	case len(r.Leaks) > 0:
		return fmt.Errorf("%s\n%s", r, Lines(r.Leaks))
	}
	return nil
}

// Dir searches the logs, append-only files and dumps in a folder for the keys that they
// themselves name. Programs are left out.
func Dir(dir string) (r Report, err error) {
	files, err := Files(dir)
	if err != nil {
		return r, err
	}
	names := Names{}
	for _, text := range files {
		names.Learn(text)
		r.Bytes += int64(len(text))
	}
	r.Keys, r.Files = len(names), len(files)
	for name, text := range files {
		r.Leaks = append(r.Leaks, names.Search(name, text)...)
	}
	return r, nil
}

// Files reads all that is in a folder, by its name there, but for programs.
func Files(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	return files, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&0o111 != 0 {
			return nil
		}
		name, _ := filepath.Rel(dir, path) // it is below
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Redis removes what it has rewritten
		}
		files[name] = text
		return err
	})
}
