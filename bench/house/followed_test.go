package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// step is a line of verify's package comment that names a file and where it is entered.
var step = regexp.MustCompile(`(?m)^//  \d\. ([a-z.]+)(?:, (\w+))?: `)

// One verification is followable in at most six files, which the package comment of verify
// lists in order: each is entered from one before it.
func TestVerificationIsFollowable(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, "verify", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	steps, before := step.FindAllStringSubmatch(read("doc.go"), -1), ""
	if len(steps) < 2 || len(steps) > 6 {
		t.Errorf("the package comment lists %d files", len(steps))
	}
	for i, one := range steps {
		file, function := one[1], one[2]
		text := read(file)
		switch {
		case filepath.Ext(file) == ".lua":
			if !strings.Contains(before, "//go:embed "+file) {
				t.Errorf("no file before %s runs it", file)
			}
		case !regexp.MustCompile(`(?m)^func \(.*\) ` + function + `\(`).MatchString(text):
			t.Errorf("%s has no method %q", file, function)
		case i > 0 && !strings.Contains(before, "."+function+"("):
			t.Errorf("no file before %s calls %s", file, function)
		}
		before += text
	}
}
