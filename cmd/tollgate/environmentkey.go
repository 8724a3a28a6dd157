package main

import (
	"context"
	"errors"

	"tollgate/keys"
)

// environmentKeyName is the name of the root keys that the environment made.
const environmentKeyName = "TOLLGATE_ROOT_KEY"

// createRootKey creates the root key of the environment where it is missing, and returns
// its secret, in --dev a new one where none was given.
//
// A root key that was deleted stays deleted. A gateway that is started with it goes on
// without it, and an ERROR says so: somebody deleted the key on purpose, the key ends by
// that, and the other root keys are served as before. To end the gateway would let one
// forgotten variable take a fleet down at its next restart.
func (g *gateway) createRootKey(ctx context.Context, workspace string) (keys.Secret, error) {
	id, secret, err := g.store.CreateRootKey(ctx, workspace, keys.RootDraft{
		Name: environmentKeyName, Grants: []string{keys.Everything}, Secret: keys.NewSecret(g.flags.RootKey),
	})
	var refused *keys.Error
	if errors.As(err, &refused) && refused.Kind == keys.KindGone {
		g.log.Error("the root key of TOLLGATE_ROOT_KEY was deleted and stays deleted: take it out of the environment, or give another secret there; 'tollgate root create' makes a root key as well",
			"cause", refused.Message)
		id, err = "", nil
	}
	if err != nil {
		return keys.Secret{}, err
	}
	return secret, g.warnOfEarlierKeys(ctx, workspace, id)
}

// maxEarlierKeys bounds how many root keys the start reads to find earlier ones: it serves
// nobody until then.
const maxEarlierKeys = 10_000

// warnOfEarlierKeys names the root keys that an earlier value of TOLLGATE_ROOT_KEY made and
// that still do everything: a change of the variable ends none of them, since other
// gateways and applications may not have the new one yet.
func (g *gateway) warnOfEarlierKeys(ctx context.Context, workspace, current string) error {
	now, err := g.store.Now(ctx)
	if err != nil {
		return err
	}
	all, more, err := g.store.RootKeys(ctx, workspace, maxEarlierKeys)
	if err != nil {
		return err
	}
	if more {
		g.log.Warn("the workspace has more root keys: only the oldest were looked at for those of an earlier TOLLGATE_ROOT_KEY", "keys", len(all))
	}
	for _, k := range all {
		live := !k.Disabled && (k.Expires == 0 || now < k.Expires)
		if k.Name == environmentKeyName && k.ID != current && live {
			g.log.Warn("a root key of an earlier TOLLGATE_ROOT_KEY is still valid; when nobody uses it any more, delete it",
				"id", k.ID, "start", k.Start, "command", "tollgate root delete "+k.ID)
		}
	}
	return nil
}

// lookForEarlierKeys is createRootKey without the variable.
func (g *gateway) lookForEarlierKeys(ctx context.Context) error {
	workspace, err := g.store.FindWorkspace(ctx, keys.DefaultWorkspace)
	if err != nil {
		if keys.AsError(err).Kind == keys.KindNotFound {
			return nil
		}
		return err
	}
	return g.warnOfEarlierKeys(ctx, workspace, "")
}
