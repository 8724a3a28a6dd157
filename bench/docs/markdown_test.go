package docs

import (
	"strings"
	"testing"
)

// A block that is not run says why, and a word behind a fence means something.
func TestFencesSayWhatTheyMean(t *testing.T) {
	for text, want := range map[string]string{
		"```sh\nls\n```\n": "",
		"```text\nls\n```": "",
		"```sh not-run=\"it needs a second machine\"\nls\n```\n": "",
		"```ts run-by=\"a.mjs\"\nls\n```\n":                      "",
		"```sh not-run=\"\"\nls\n```\n":                          "not-run is empty",
		"```ts run-by=\"\"\nls\n```\n":                           "run-by is empty",
		"```sh not-run\nls\n```\n":                               "means nothing",
		"```sh background=yes\nls\n```\n":                        "means nothing",
		"```sh\nls\n":                                            "not closed",
		"```\nls\n```\n":                                         "not one of",
		"```bash\nls\n```\n":                                     "not one of",
		"```python\nx\n```\n":                                    "needs run-by",
		"```text background\nx\n```\n":                           "never run",
		"```console background\n$ x\n```\n":                      "background",
		"```go run-by=\"a\" not-run=\"b\"\nx\n```\n":             "exclude each other",
	} {
		_, err := blocks(text)
		switch {
		case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v", text, err)
		case err == nil && want != "":
			t.Errorf("%q is taken", text)
		}
	}
}

func TestBlocksHaveTheirMarks(t *testing.T) {
	all, err := blocks("text\n```go run-by=\"x/y.go\"\na\n\nb\n```\n```sh background not-run=\"a \"\n```\n")
	want := []block{{line: 2, language: "go", runBy: "x/y.go", text: "a\n\nb\n"}, {line: 7, language: "sh", background: true, notRun: "a "}}
	if err != nil || len(all) != 2 || all[0] != want[0] || all[1] != want[1] {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestStepsHaveTheirOutput(t *testing.T) {
	all, err := steps("$ a '\n>  b'\nx\n> y\n$ c\n")
	if err != nil || len(all) != 2 || all[0] != (step{"a '\n b'\n", "x\n> y\n"}) || all[1] != (step{command: "c\n"}) {
		t.Errorf("%q, %v", all, err)
	}
	if _, err := steps("a\n"); err == nil {
		t.Error("a console block without a command is taken")
	}
}

func TestDotsStandForTextInTheirLine(t *testing.T) {
	for _, row := range []struct {
		want, got string
		matches   bool
	}{
		{"{\"id\":\"key_…\"}\n", `{"id":"key_1"}`, true},
		{`{"id":"key_…"}`, `{"id":"api_1"}`, false},
		{"VALID", "INVALID", false},
		{"", "", true},
		{"", "a", false},
		{"a…\nb", "a1\nb", true},
		{"a…b", "a\nb", false},
		{"a\n…\nb", "a\nx\ny\nb", true},
		{"a\n…\nb", "a\nx", false},
		{"1.5", "1x5", false},
	} {
		if got := matches(row.want, row.got); got != row.matches {
			t.Errorf("%q, %q: %t", row.want, row.got, got)
		}
	}
}
