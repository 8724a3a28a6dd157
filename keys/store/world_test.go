package store_test

import (
	"testing"

	"tollgate/keys/keystest"

	"github.com/redis/go-redis/v9"
)

// world is a workspace with an API, with the words of these tests.
type world struct {
	*keystest.World
	sealing bool // its keys are recoverable
}

func newWorld(t *testing.T, c redis.UniversalClient, workspace string) *world {
	t.Helper()
	return &world{World: keystest.New(t, c, workspace)}
}
