package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tollgate/keys"
)

// demoName is the name of the root key and of the API of --demo.
const demoName = "demo"

// demo is what demo.json in the folder of --data holds: what the greeting shows again.
type demo struct {
	RootKey string `json:"rootKey,omitempty"` // a plaintext; none where the environment has one
	API     string `json:"apiId"`

	file string
}

// openDemo creates what the greeting shows, where it is missing, and prints it.
func (g *gateway) openDemo(ctx context.Context, workspace, addr string) error {
	d, err := readDemo(filepath.Join(g.flags.data.Path(), "demo.json"))
	if err != nil {
		return err
	}
	root, err := g.demoRootKey(ctx, workspace, d)
	if err != nil {
		return err
	}
	if err := g.demoAPI(ctx, keys.Operator(workspace).As(), d); err != nil {
		return err
	}
	greet(os.Stdout, fmt.Sprintf(demoIntroduction, d.file, filepath.Dir(d.file)), g.url(addr), root, d.API)
	return nil
}

// demoRootKey returns the root key that the greeting shows: that of the environment, the
// demo's, or a new one where that was deleted.
func (g *gateway) demoRootKey(ctx context.Context, workspace string, d *demo) (string, error) {
	if g.flags.RootKey != "" {
		secret, err := g.createRootKey(ctx, workspace)
		return secret.Reveal(), err
	}
	for {
		draft := keys.RootDraft{Name: demoName, Grants: []string{keys.Everything}, Secret: keys.NewSecret(d.RootKey)}
		if d.RootKey == "" {
			secret, _, err := draft.Identify()
			if err != nil {
				return "", err
			}
			d.RootKey, draft.Secret = secret.Reveal(), secret
			if err := d.write(); err != nil { // before it is valid: it is never lost
				return "", err
			}
		}
		_, _, err := g.store.CreateRootKey(ctx, workspace, draft)
		if err == nil || keys.AsError(err).Kind != keys.KindGone {
			return d.RootKey, err
		}
		d.RootKey = ""
	}
}

// demoAPI makes the API of the demo where it is missing.
func (g *gateway) demoAPI(ctx context.Context, a keys.Access, d *demo) error {
	if d.API != "" {
		if _, err := g.store.API(ctx, a, d.API); !isNotFound(err) {
			return err
		}
	}
	api, err := g.store.CreateAPI(ctx, a, demoName)
	if err != nil {
		return err
	}
	d.API = api.ID
	return d.write()
}

// readDemo reads the file of a demo; a new demo where there is none.
func readDemo(file string) (*demo, error) {
	d := &demo{file: file}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d, nil
	case err == nil && json.Unmarshal(text, d) != nil:
		err = fmt.Errorf("%s is not what --demo wrote: remove it", file)
	}
	return d, err
}

// write writes the file so that its owner alone can read it, in one step.
func (d *demo) write() error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	next := d.file + ".new"
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, d.file)
}

// What the greeting begins with.
const (
	devIntroduction  = "Tollgate runs on a Redis inside this process and forgets everything at exit."
	demoIntroduction = "Tollgate keeps everything, and shows the same root key and API at the next start: it has\nthem in %s. To start afresh, stop it and remove %s."
)

// greet prints how to create and verify a key.
func greet(to io.Writer, introduction, url, root, api string) {
	fmt.Fprintf(to, greeting, introduction, root, api, url, root, api, url)
}

const greeting = `
%s

  root key  %s
  API id    %s

Create a key:

  KEY=$(curl -s %s/v1/keys.createKey \
    -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \
    -d '{"apiId":"%s","prefix":"try","remaining":3}' | tee /dev/stderr | sed 's/.*"key":"\([^"]*\)".*/\1/')

Verify it:

  curl -s %s/v1/keys.verifyKey -H 'Content-Type: application/json' -d "{\"key\":\"$KEY\"}"

`
