package configuration

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

type values struct {
	Text   string        `env:"SET_TEXT" default:"text"`
	On     bool          `env:"SET_ON"`
	Off    bool          `env:"SET_OFF" default:"true" negatable:""`
	Whole  int           `env:"SET_WHOLE" default:"1"`
	Size   uint64        `env:"SET_SIZE" default:"1"`
	Time   time.Duration `env:"SET_TIME" default:"1s"`
	List   []string      `env:"SET_LIST"`
	Level  string        `env:"SET_LEVEL" default:"info" enum:"info,debug"`
	Token  string        `env:"SET_TOKEN" secret:""`
	Plain  string        // not a setting
	Shared string        `env:"SET_SHARED"`
}

type other struct {
	Shared string `env:"SET_SHARED"`
	Text   string `env:"SET_OTHER"` // another setting of the same name
}

type cli struct {
	Config Path   `env:"SET_CONFIG"`
	Serve  values `cmd:""`
	Other  other  `cmd:""`
}

func parse(t *testing.T, args ...string) (*cli, *kong.Context, *Resolver, error) {
	t.Helper()
	read, resolver := &cli{}, New("serve")
	parser, err := kong.New(read, kong.Resolvers(resolver), kong.Bind(resolver))
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := parser.Parse(args)
	return read, ctx, resolver, err
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Of each kind of value the flag wins over the environment, that over the file, and that over
// the default.
func TestOrder(t *testing.T) {
	for _, row := range []struct {
		field                  string
		flag, environment, yml string
		want                   [4]any // of the flag, the environment, the file, the default
	}{
		{"Text", "--text=flag", "environment", "text: file", [4]any{"flag", "environment", "file", "text"}},
		{"On", "--on", "false", "on: true", [4]any{true, false, true, false}},
		{"Off", "--off", "true", "off: false", [4]any{true, true, false, true}},
		{"Off", "--no-off", "true", "off: false", [4]any{false, true, false, true}},
		{"Whole", "--whole=4", "3", "whole: 2", [4]any{4, 3, 2, 1}},
		{"Size", "--size=4", "3", "size: 0x2", [4]any{uint64(4), uint64(3), uint64(2), uint64(1)}},
		{"Time", "--time=4s", "3s", "time: 2s", [4]any{4 * time.Second, 3 * time.Second, 2 * time.Second, time.Second}},
		{"List", "--list=d,e", "c", "list: [a, 'b,c']", [4]any{[]string{"d", "e"}, []string{"c"}, []string{"a", "b,c"}, []string(nil)}},
		{"List", "--list=d", "c", "list: a,b", [4]any{[]string{"d"}, []string{"c"}, []string{"a", "b"}, []string(nil)}},
		{"List", "--list=d", "c", "list: []", [4]any{[]string{"d"}, []string{"c"}, []string{}, []string(nil)}},
		{"Level", "--level=debug", "info", "level: debug", [4]any{"debug", "info", "debug", "info"}},
		{"Token", "--token=flag", "environment", "token: file", [4]any{"flag", "environment", "file", ""}},
	} {
		config := "--config=" + write(t, row.yml)
		variable := "SET_" + strings.ToUpper(row.field)
		is := func(what string, want any, args ...string) {
			t.Helper()
			read, _, _, err := parse(t, append(args, "serve")...)
			if err != nil {
				t.Errorf("%s, %s: %v", row.yml, what, err)
				return
			}
			if got := reflect.ValueOf(read.Serve).FieldByName(row.field).Interface(); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: %#v, want %#v", row.yml, what, got, want)
			}
		}
		serveFlag := func(args ...string) []string { return append([]string{"serve"}, args...) }
		is("the default", row.want[3])
		is("the file", row.want[2], config)
		t.Setenv(variable, row.environment)
		is("the environment", row.want[1], config)
		read, _, _, err := parse(t, serveFlag(row.flag, config)...)
		if got := reflect.ValueOf(read.Serve).FieldByName(row.field).Interface(); err != nil || !reflect.DeepEqual(got, row.want[0]) {
			t.Errorf("%s, the flag: %#v, %v", row.yml, got, err)
		}
		os.Unsetenv(variable)
		t.Setenv("SET_CONFIG", strings.TrimPrefix(config, "--config="))
		is("the file of the environment", row.want[2])
		os.Unsetenv("SET_CONFIG")
	}
}

// What is wrong with a file is said with its line, and without its value.
func TestWrongFiles(t *testing.T) {
	for text, want := range map[string]string{
		"text: a\ntxet: hunter2":                `line 2: there is no setting "txet", did you mean text?`,
		"text: a\ntext: hunter2":                "line 2: text was set in line 1 already",
		"on: yes":                               "line 1: on: want true or false",
		"on: 'true'":                            "line 1: on: want true or false",
		"\nwhole: '2'":                          "line 2: whole: want a whole number",
		"whole: 2.5":                            "want a whole number",
		"whole: 99999999999999999999":           "want a whole number",
		"size: -1":                              "want a whole number",
		"time: 2":                               "want a duration",
		"time: 2 weeks":                         "want a duration",
		"text: 12":                              "want text; in quotes",
		"text: true":                            "want text",
		"text:":                                 "want text",
		"text: [a]":                             "want text",
		"list: [a, [b]]":                        "want text in the list",
		"list:\n- a\n- 7":                       "line 3: want text in the list",
		"list: {a: b}":                          "want a list",
		"level: loud":                           "want one of info,debug",
		"config: x":                             "there is no setting",
		"plain: x":                              "there is no setting",
		"help: true":                            "there is no setting",
		"- text":                                "want settings such as",
		"hunter2":                               "want settings such as",
		"text: a\n---\ntext: b":                 "more than one YAML document",
		"token: [hunter2":                       "line",
		"token: &a hunter2\ntext: *a":           "line 2: text: want text",
		"token: \"hunter2\\q\"":                 "",
		"text: " + strings.Repeat("a", maxFile): "more than",
	} {
		_, _, _, err := parse(t, "serve", "--config", write(t, text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--config: ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	if _, _, _, err := parse(t, "serve", "--config", t.TempDir()+"/none"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no file: %v", err)
	}
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		if _, _, _, err := parse(t, "serve", "--config", write(t, text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Another command takes what it has in common with the one whose settings the file has.
func TestSharedSettings(t *testing.T) {
	read, _, _, err := parse(t, "other", "--config", write(t, "shared: file\ntext: file"))
	if err != nil || read.Other != (other{Shared: "file"}) {
		t.Errorf("%+v, %v", read.Other, err)
	}
}

// A secret may be in a file that the environment names: that wins over the configuration file,
// and loses to the flag.
func TestSecretFiles(t *testing.T) {
	config := write(t, "token: configured")
	t.Setenv("SET_TOKEN_FILE", write(t, " of the file \r\n"))
	t.Setenv("SET_TEXT_FILE", write(t, "not a secret"))
	for want, args := range map[string][]string{" of the file ": {"serve", "--config", config}, "flag": {"serve", "--token", "flag"}} {
		if read, _, _, err := parse(t, args...); err != nil || read.Serve.Token != want || read.Serve.Text != "text" {
			t.Errorf("%q: %+v, %v", want, read.Serve, err)
		}
	}
	for want, path := range map[string]string{"no such file": "none", "is empty": write(t, " \n")} {
		t.Setenv("SET_TOKEN_FILE", path)
		if _, _, _, err := parse(t, "serve"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "SET_TOKEN_FILE") {
			t.Errorf("%s: %v", want, err)
		}
	}
	t.Setenv("SET_TOKEN", "x")
	if _, _, _, err := parse(t, "serve"); err == nil || !strings.Contains(err.Error(), "both set") {
		t.Errorf("both: %v", err)
	}
}

func masked(_ *kong.Flag, value string) string {
	return strings.ReplaceAll(value, "hunter2", "[secret]")
}

// Show writes a file that says the same, and where each value comes from.
func TestShow(t *testing.T) {
	config := write(t, "time: 1m30s\nlist: [a, 'b,c']\n")
	t.Setenv("SET_TOKEN_FILE", write(t, "hunter2\n"))
	t.Setenv("SET_WHOLE", "7")
	_, ctx, resolver, err := parse(t, "serve", "--no-off", "--config", config)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := resolver.Show(ctx, &b, masked); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(`text: text # default
on: false # default
off: false # command line
whole: 7 # SET_WHOLE
size: 1 # default
time: 1m30s # PATH, line 1
list: [a, 'b,c'] # PATH, line 2
level: info # default
token: '[secret]' # SET_TOKEN_FILE
shared: "" # default
`, "PATH", config)
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	os.Unsetenv("SET_TOKEN_FILE")
	if _, _, _, err := parse(t, "serve", "--config", write(t, b.String())); err != nil {
		t.Errorf("what is shown is no file: %v", err)
	}
}

// A secret counts as exposed where it stands on the command line, and a value without one
// does not.
func TestExposed(t *testing.T) {
	for want, args := range map[string][]string{"token": {"serve", "--token=hunter2", "--text=hunter2"}, "": {"serve", "--token=harmless"}} {
		_, ctx, _, err := parse(t, args...)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, flag := range Exposed(ctx, masked) {
			names = append(names, flag.Name)
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%v: %v", args, names)
		}
	}
	t.Setenv("SET_TOKEN", "hunter2")
	if _, ctx, _, _ := parse(t, "serve"); len(Exposed(ctx, masked)) > 0 {
		t.Error("the environment is no command line")
	}
}

// FuzzFile reads any file: it is refused, or what it says is taken.
func FuzzFile(f *testing.F) {
	for _, text := range []string{"", "text: a", "list: [a]\n", "? {a: b}\n: c", "<<: {text: a}", "a: &a [*a]", "text: !!binary aGk=", "\x00", "text: 'a\n"} {
		f.Add(text)
	}
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, _, _ = parse(t, "serve", "--config", path)
	})
}
