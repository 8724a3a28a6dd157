package policies

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"

	"tollgate/keys"
	"tollgate/verify"
	"tollgate/verify/authz"

	"go.yaml.in/yaml/v3"
)

// Policy is what is asked of the clients of a proxy, and with which root key.
type Policy struct {
	Question *authz.Question
	RootKey  keys.Secret
}

// Policies are the policies of a file, by name. They are not changed.
type Policies map[string]*Policy

// Current has the policies that count now. nil and the zero Current
// have none. It is safe for
// concurrent use.
type Current struct{ all atomic.Pointer[Policies] }

// New makes a Current with policies; nil for none.
func New(all Policies) *Current {
	c := &Current{}
	c.Replace(all)
	return c
}

// Replace has these policies in the place of those before.
func (c *Current) Replace(all Policies) { c.all.Store(&all) }

// All returns the policies.
func (c *Current) All() Policies {
	if c == nil || c.all.Load() == nil {
		return nil
	}
	return *c.all.Load()
}

const maxFile = 1 << 20 // bytes

// Load reads a file. Its errors say which policy and which member is wrong.
func Load(path string) (Policies, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxFile:
		return nil, fmt.Errorf("more than %d bytes", maxFile)
	}
	return parse(string(text), filepath.Dir(path))
}

// document is the file as it is written.
type document struct {
	Policies map[string]*written `yaml:"policies"`
}

// written is a policy as it is written.
type written struct {
	RootKey     string       `yaml:"rootKey"`
	RootKeyFile string       `yaml:"rootKeyFile"`
	APIID       string       `yaml:"apiId"`
	Permissions string       `yaml:"permissions"`
	Cost        *int64       `yaml:"cost"`
	Limits      []limit      `yaml:"limits"`
	Tags        []string     `yaml:"tags"`
	Key         []*keySource `yaml:"key"`
	Profile     string       `yaml:"profile"`
	Identity    string       `yaml:"identity"`
}

type limit struct {
	Name string `yaml:"name"`
	Cost *int64 `yaml:"cost"`
}

// keySource is a place where the key is looked for.
type keySource struct{ authz.Source }

// UnmarshalYAML reads bearer, or one member that says where and under which name.
func (s *keySource) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode && node.Value == "bearer" {
		s.Bearer = true
		return nil
	}
	if node.Kind != yaml.MappingNode || len(node.Content) != 2 || node.Content[1].Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: key: want bearer, {header: NAME}, {cookie: NAME} or {query: NAME}", node.Line)
	}
	name := node.Content[1].Value
	switch node.Content[0].Value {
	case "header":
		s.Header = name
	case "cookie":
		s.Cookie = name
	case "query":
		s.Query = name
	}
	return nil
}

// parse reads a file's text. Files that it names are found from a folder.
func parse(text, folder string) (Policies, error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	var d document
	if err := decoder.Decode(&d); err != nil && !errors.Is(err, io.EOF) {
		return nil, withoutValues(err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document")
	}
	if len(d.Policies) == 0 {
		return nil, errors.New("there is no policy in it: want policies: {NAME: {…}}")
	}
	all := Policies{}
	for name, w := range d.Policies {
		policy, err := w.policy(name, folder)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", keys.Redact(name), err)
		}
		all[name] = policy
	}
	return all, nil
}

// internals are what YAML's errors say that is not for the reader: values, which may be a root
// key, and the types of this package.
var internals = regexp.MustCompile("`[^`]*`| in type [a-z.]+")

// withoutValues puts an error of YAML on one line.
func withoutValues(err error) error {
	text := internals.ReplaceAllStringFunc(err.Error(), func(found string) string {
		if found[0] == '`' {
			return "a value"
		}
		return ""
	})
	text = strings.TrimPrefix(text, "yaml: unmarshal errors:\n  ")
	return errors.New(strings.ReplaceAll(strings.TrimPrefix(text, "yaml: "), "\n  ", "; "))
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// policy checks a policy.
func (w *written) policy(name, folder string) (*Policy, error) {
	switch {
	case !namePattern.MatchString(name):
		return nil, errors.New("a name has 1 to 64 letters, digits, dots, underscores and hyphens")
	case w == nil:
		return nil, errors.New("it is empty")
	}
	root, err := w.rootKey(folder)
	if err != nil {
		return nil, err
	}
	q, err := w.question()
	if err != nil {
		return nil, err
	}
	return &Policy{Question: q, RootKey: root}, q.Check()
}

// rootKey returns the root key, or reads its file. White space around it is not part of it.
func (w *written) rootKey(folder string) (keys.Secret, error) {
	text := w.RootKey
	switch {
	case (w.RootKey == "") == (w.RootKeyFile == ""):
		return keys.Secret{}, errors.New("give either rootKey or rootKeyFile")
	case w.RootKeyFile != "":
		path := w.RootKeyFile
		if !filepath.IsAbs(path) {
			path = filepath.Join(folder, path)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return keys.Secret{}, fmt.Errorf("rootKeyFile: %w", err)
		}
		text = string(content)
	}
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsAny(text, " \t\r\n") {
		return keys.Secret{}, errors.New("the root key is not one word")
	}
	return keys.NewSecret(text), nil
}

func (w *written) question() (*authz.Question, error) {
	q := &authz.Question{APIID: w.APIID, Tags: w.Tags, Profile: authz.Profile(w.Profile), Full: w.Identity == "full"}
	if w.Identity != "" && !q.Full {
		return nil, errors.New("identity: want full, or leave it out")
	}
	var err error
	if w.Permissions != "" {
		if q.Permissions, err = verify.ParseQuery(w.Permissions); err != nil {
			return nil, fmt.Errorf("permissions: %w", err)
		}
	}
	if q.Cost, err = cost(w.Cost); err != nil {
		return nil, err
	}
	for _, l := range w.Limits {
		n, err := cost(l.Cost)
		if err != nil || l.Name == "" {
			return nil, errors.Join(err, errors.New("limits: want name, and cost where it is not 1"))
		}
		q.Limits = append(q.Limits, verify.LimitRequest{Name: l.Name, Cost: n})
	}
	for _, s := range w.Key {
		if s == nil {
			return nil, errors.New("key: one of the places is empty")
		}
		q.Sources = append(q.Sources, s.Source)
	}
	return q, nil
}

// cost reads a cost, which is 1 where there is none.
func cost(n *int64) (int64, error) {
	switch {
	case n == nil:
		return 0, nil
	case *n < 0 || *n > keys.MaxCount:
		return 0, fmt.Errorf("cost: want a whole number from 0 to %d", int64(keys.MaxCount))
	}
	return verify.Costs(*n), nil
}
