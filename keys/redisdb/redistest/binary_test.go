package redistest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every suite runs on the server that TOLLGATE_REDIS_SERVER names, and on nothing else
// where that can't be run.
func TestServerOfTheEnvironment(t *testing.T) {
	redis, err := lookUpServer()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "valkey-server")
	if err := os.Symlink(redis, other); err != nil {
		t.Fatal(err)
	}
	t.Setenv(serverVariable, other)
	if info := Start(t).Do("INFO", "server").(string); !strings.Contains(info, "executable:"+other) {
		t.Errorf("the server that was started is not %s:\n%s", other, info)
	}
	t.Setenv(serverVariable, filepath.Join(t.TempDir(), "none"))
	if got, err := lookUpServer(); err == nil || !strings.Contains(err.Error(), serverVariable) {
		t.Errorf("a server that is not there: %q, %v", got, err)
	}
}

// The masters of a Cluster take every slot, each once, by a command that Redis 6.2 has.
func TestSlotsOfTheMasters(t *testing.T) {
	for _, masters := range []int{1, 3, 7} {
		var all []any
		for i := range masters {
			command := addSlots(i*slots/masters, (i+1)*slots/masters)
			if command[1] != "ADDSLOTS" {
				t.Fatalf("the command is %v", command[:2])
			}
			all = append(all, command[2:]...)
		}
		want := make([]any, slots)
		for i := range want {
			want[i] = i
		}
		if !slices.Equal(all, want) {
			t.Errorf("%d masters do not take every slot once, in order", masters)
		}
	}
}
