package transfer_test

import (
	"testing"

	"tollgate/keys/keystest"

	"github.com/redis/go-redis/v9"
)

// world is a workspace with an API, with the words of these tests.
type world struct{ *keystest.World }

func newWorld(t *testing.T, c redis.UniversalClient, workspace string) *world {
	t.Helper()
	return &world{keystest.New(t, c, workspace)}
}
