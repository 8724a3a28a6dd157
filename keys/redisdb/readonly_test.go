package redisdb_test

import (
	"strings"
	"testing"

	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
)

// No command that is taken for harmless is one that Redis says writes.
func TestHarmless(t *testing.T) {
	client := redistest.Shared(t).Client()
	known, err := client.Command(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range redisdb.Harmless() {
		info, ok := known[name]
		if !ok {
			t.Errorf("Redis does not know %s", name)
			continue
		}
		for _, flag := range info.Flags {
			if strings.EqualFold(flag, "write") {
				t.Errorf("%s writes", name)
			}
		}
	}
}
