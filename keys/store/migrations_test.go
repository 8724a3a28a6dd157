package store_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// migrating is a workspace with a migration of each algorithm.
type migrating struct {
	*keystest.World
	root keys.Secret
}

func newMigrating(t *testing.T, c redis.UniversalClient) *migrating {
	t.Helper()
	m := &migrating{World: keystest.New(t, c, "test")}
	ws := m.Access.WorkspaceID
	var err error
	_, m.root, err = m.CreateRootKey(t.Context(), ws, keys.RootDraft{Grants: []string{keys.Everything}})
	m.Must(err)
	for _, algorithm := range []string{keys.SHA256, keys.PrefixedAPIKey} {
		_, err := m.CreateMigration(t.Context(), ws, idOfMigration(algorithm), algorithm)
		m.Must(err)
	}
	return m
}

func idOfMigration(algorithm string) string {
	if algorithm == keys.SHA256 {
		return "from.sha"
	}
	return "from.seam"
}

func (m *migrating) migrate(algorithm string, d keys.KeyDraft, hashes ...string) []string {
	m.TB.Helper()
	d.APIID = m.APIID
	var drafts []keys.MigrationDraft
	for _, hash := range hashes {
		drafts = append(drafts, keys.MigrationDraft{KeyDraft: d, Hash: hash})
	}
	ids, err := m.MigrateKeys(m.TB.Context(), m.Access, idOfMigration(algorithm), drafts)
	m.Must(err)
	return ids
}

func (m *migrating) code(plaintext, migrationID string) verify.Code {
	m.TB.Helper()
	o, err := m.VerifyMigrated(m.TB.Context(), &verify.Request{RootKey: m.root, Secret: keys.NewSecret(plaintext), Cost: 1}, migrationID)
	m.Must(err)
	return o.Code
}

// A key of which the digest is known verifies at once, by any way; the second time it is
// left as it is.
func TestMigrateSHA256(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		m := newMigrating(t, c)
		hash := func(plaintext string) string { return keys.NewSecret(plaintext).Digest().String() }
		first := m.migrate(keys.SHA256, keys.KeyDraft{Remaining: keystest.Uses(2)}, hash("one"), hash("two"), hash("one"))
		if first[0] == "" || first[1] == "" || first[2] != "" {
			t.Fatal(first)
		}
		again := m.migrate(keys.SHA256, keys.KeyDraft{}, hash("one"), hash("three"))
		if again[0] != "" || again[1] == "" {
			t.Fatal(again)
		}
		for _, want := range []verify.Code{verify.Valid, verify.Valid, verify.UsageExceeded} {
			if got := m.code("one", ""); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
}

// seam is a key in the form of seamapi's prefixed-api-key, and what is known of it.
func seam(long string) (plaintext, hash string) {
	sum := sha256.Sum256([]byte(long))
	return "mycompany_BRTRKFsL_" + long, hex.EncodeToString(sum[:])
}

// A key of which a part's digest is known verifies from when the whole is presented with
// the migration, and never by the part.
func TestMigratePrefixedAPIKey(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		m := newMigrating(t, c)
		plaintext, hash := seam("51FwqftsmMDHHbJAMEXXHCgG")
		limit := ratelimit.Limit{Name: "l", Limit: 10, Duration: 24 * 3600_000, AutoApply: true}
		id := m.migrate(keys.PrefixedAPIKey, keys.KeyDraft{Name: "n", Remaining: keystest.Uses(5), Limits: []ratelimit.Limit{limit}}, hash)[0]
		for _, row := range []struct {
			plaintext, migration string
			want                 verify.Code
		}{
			{plaintext, "", verify.NotFound},
			{plaintext, "from.sha", verify.NotFound},
			{plaintext, "unknown", verify.NotFound},
			{"51FwqftsmMDHHbJAMEXXHCgG", "", verify.NotFound},
			{"51FwqftsmMDHHbJAMEXXHCgG", "from.seam", verify.NotFound},
			{"other_BRTRKFsL_x", "from.seam", verify.NotFound},
			{plaintext, "from.seam", verify.Valid},
			{plaintext, "", verify.Valid},
			{"51FwqftsmMDHHbJAMEXXHCgG", "", verify.NotFound},
			{"another_prefix_51FwqftsmMDHHbJAMEXXHCgG", "from.seam", verify.NotFound},
		} {
			if got := m.code(row.plaintext, row.migration); got != row.want {
				t.Errorf("%s with %q: got %s, want %s", row.plaintext, row.migration, got, row.want)
			}
		}
		d, err := m.Key(t.Context(), m.Access, id, false)
		m.Must(err)
		if d.Key.Start != "mycompany_BRTR" || d.State.Balance != 3 || d.State.Windows[0].Current != 2 {
			t.Errorf("%+v has left %+v", d.Key, d.State)
		}
		m.Must(m.DeleteKey(t.Context(), m.Access, id, true))
		if got := m.code(plaintext, "from.seam"); got != verify.NotFound {
			t.Errorf("deleted: %s", got)
		}
	})
}

// Whoever presents a key for the first time, all at once and through several gateways:
// each use counts once.
func TestMigrateConcurrently(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		m := newMigrating(t, c)
		plaintext, hash := seam("concurrent")
		id := m.migrate(keys.PrefixedAPIKey, keys.KeyDraft{Remaining: keystest.Uses(5)}, hash)[0]
		var wg sync.WaitGroup
		codes := make(chan verify.Code, 20)
		for range 2 {
			gateway := verify.New(store.Open(c, store.Options{Timeout: 10 * time.Second}), verify.Options{Timeout: 10 * time.Second})
			for range 10 {
				wg.Go(func() {
					r := &verify.Request{RootKey: m.root, Secret: keys.NewSecret(plaintext), Cost: 1}
					if o, err := gateway.VerifyMigrated(context.Background(), r, "from.seam"); err == nil {
						codes <- o.Code
					} else {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		close(codes)
		count := map[verify.Code]int{}
		for code := range codes {
			count[code]++
		}
		d, err := m.Key(t.Context(), m.Access, id, false)
		m.Must(err)
		if count[verify.Valid] != 5 || d.State.Balance != 0 {
			t.Errorf("5 uses: %v, %d left", count, d.State.Balance)
		}
	})
}

// A migration's name, algorithm and hashes are checked, and it belongs to one workspace.
func TestMigrationIsChecked(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		m := newMigrating(t, c)
		ws := m.Access.WorkspaceID
		_, taken := m.CreateMigration(t.Context(), ws, "from.sha", keys.SHA256)
		_, algorithm := m.CreateMigration(t.Context(), ws, "", "md5")
		_, name := m.CreateMigration(t.Context(), ws, "{x}", keys.SHA256)
		other, err := m.Workspace(t.Context(), "other")
		m.Must(err)
		stranger := keys.Operator(other).As()
		api, err := m.CreateAPI(t.Context(), stranger, "other")
		m.Must(err)
		_, foreign := m.MigrateKeys(t.Context(), stranger, "from.sha", []keys.MigrationDraft{{KeyDraft: keys.KeyDraft{APIID: api.ID}, Hash: "x"}})
		_, hash := m.MigrateKeys(t.Context(), m.Access, "from.sha", []keys.MigrationDraft{{KeyDraft: keys.KeyDraft{APIID: m.APIID}, Hash: "x"}})
		for i, row := range []struct {
			err  error
			kind keys.Kind
		}{{taken, keys.KindConflict}, {algorithm, keys.KindInvalid}, {name, keys.KindInvalid}, {foreign, keys.KindNotFound}, {hash, keys.KindInvalid}} {
			if row.err == nil || keys.AsError(row.err).Kind != row.kind {
				t.Errorf("%d: %v, want %s", i, row.err, row.kind)
			}
		}
		if keys.AsError(hash).Field != "keys.0.hash" {
			t.Error(keys.AsError(hash).Field)
		}
	})
}
