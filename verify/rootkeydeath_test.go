package verify_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"tollgate/bench/redistest"
	"tollgate/keys"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

var errDead = errors.New("this gateway was killed")

// dying is a gateway's end: it sends so many commands, and no more.
type dying struct {
	left   int
	before func() // what others do before each command
}

func (d *dying) DialHook(next redis.DialHook) redis.DialHook { return next }

func (d *dying) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "hello" || cmd.Name() == "client" {
			return next(ctx, cmd) // a greeting is no step
		}
		if !d.step() {
			cmd.SetErr(errDead)
			return errDead
		}
		return next(ctx, cmd)
	}
}

func (d *dying) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, all []redis.Cmder) error {
		if len(all) > 0 && (all[0].Name() == "hello" || all[0].Name() == "client") {
			return next(ctx, all)
		}
		if !d.step() {
			for _, cmd := range all {
				cmd.SetErr(errDead)
			}
			return errDead
		}
		return next(ctx, all)
	}
}

func (d *dying) step() bool {
	if d.left--; d.left < 0 {
		return false
	}
	d.before()
	return true
}

// another makes a client of the same store.
func another(t *testing.T, c redis.UniversalClient) redis.UniversalClient {
	t.Helper()
	var other redis.UniversalClient
	switch c := c.(type) {
	case *redis.ClusterClient:
		other = redis.NewClusterClient(c.Options())
	case *redis.Client:
		o := *c.Options()
		other = redis.NewClient(&o)
	}
	t.Cleanup(func() { _ = other.Close() })
	return other
}

// Wherever a gateway dies while it deletes a root key, one that knows the root key
// says of it what one says that has just started: at once, or soon where it looked
// while the other was at it.
func TestDeathWhileDeletingARootKey(t *testing.T) {
	for name, between := range map[string]bool{"nobody looks": false, "others look": true} {
		t.Run(name, func(t *testing.T) {
			redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) { deaths(t, c, between) })
		})
	}
}

func deaths(t *testing.T, c redis.UniversalClient, between bool) {
	redistest.Undisturbed(c)
	w := newWorld(t, c)
	secret := w.create(keys.KeyDraft{}).Secret
	for steps := 0; ; steps++ {
		id, by := w.root(keys.RootDraft{})
		ask := verify.Request{By: by, Secret: secret, Cost: 1}
		w.code(verify.Valid, ask)
		end := &dying{left: steps, before: func() {
			if between {
				_, _ = w.Verify(t.Context(), &ask)
			}
		}}
		client := another(t, c)
		w.must(client.Ping(t.Context()).Err())
		client.AddHook(end)
		err := keys.Open(client, keys.Options{Timeout: 10 * time.Second}).DeleteRootKey(t.Context(), w.access.WorkspaceID, id)
		if between {
			w.Age(5 * time.Second)
		}
		_, warm := w.Verify(t.Context(), &ask)
		_, cold := newGateway(c).Verify(t.Context(), &ask)
		if (warm == nil) != (cold == nil) {
			t.Errorf("dead after %d commands: who knew it says %v, who did not %v", steps, warm, cold)
		}
		if err == nil {
			if cold == nil {
				t.Error("a deleted root key is accepted")
			}
			return
		}
	}
}
