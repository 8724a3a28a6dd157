package transfer_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys/backup"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/transfer"

	"github.com/redis/go-redis/v9"
)

// written is a backup of a store.
func written(t *testing.T, s *store.Store) []byte {
	t.Helper()
	var file bytes.Buffer
	steps := 0
	n, err := backup.Write(t.Context(), keystest.Transfer(s), &file, func(n int) { steps += n })
	if err != nil || int64(steps) != n || int64(bytes.Count(file.Bytes(), []byte("\n"))) != n+2 {
		t.Fatalf("%d records in %d steps: %v", n, steps, err)
	}
	return file.Bytes()
}

// restored restores a backup into a store.
func restored(t *testing.T, s *store.Store, file []byte) *backup.Restored {
	t.Helper()
	f, err := backup.Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Fits(t.Context(), keystest.Transfer(s)); err != nil {
		t.Fatal(err)
	}
	done, err := f.Restore(t.Context(), keystest.Transfer(s), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// Whatever happened in two workspaces: a backup of one Redis that is restored into another one or
// a Cluster, and from there into a third store, has each key with its balance, windows, refill
// and usage. What a client sees and what comes of using it is the same.
func TestBackupIsTheSame(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		seed := redistest.Rand(t).Uint64()
		sealer := keystest.Sealer(t)
		first := redistest.Shared(t).Client()
		var lives []*life
		var want [][]string
		for i := range uint64(2) {
			l := begin(t, first, sealer, fmt.Sprint("workspace ", i), seed+i)
			l.live(300)
			lives = append(lives, l)
		}
		lives[0].world().SweepUp()
		for _, l := range lives {
			want = append(want, look(l, l.store))
		}
		stores := []*store.Store{lives[0].store}
		for _, client := range []redis.UniversalClient{c, redistest.Shared(t).Client()} {
			file := written(t, stores[len(stores)-1])
			for _, l := range lives {
				for _, secret := range append(l.tokens, l.secrets...) {
					if bytes.Contains(file, []byte(secret.Reveal())) {
						t.Fatal("a secret is in the file")
					}
				}
			}
			to := store.Open(client, store.Options{Timeout: 5 * time.Second, Sealer: sealer})
			if done := restored(t, to, file); done.Count != 0 || done.Same != 0 || done.Stored == 0 {
				t.Fatalf("seed %d: %+v", seed, done)
			}
			if again := restored(t, to, file); again.Count != 0 || again.Stored != 0 {
				t.Fatalf("seed %d, a second time: %+v", seed, again)
			}
			for i, l := range lives {
				sameLines(t, fmt.Sprint("seed ", seed, ", seen"), look(l, to), want[i])
			}
			stores = append(stores, to)
		}
		for _, l := range lives {
			came := spend(l, stores[0])
			for _, store := range stores[1:] {
				sameLines(t, fmt.Sprint("seed ", seed, ", spent"), spend(l, store), came)
			}
		}
	})
}

// What is lost or changed in the store behind an import is found, of each kind of record.
func TestCompareFinds(t *testing.T) {
	c := redistest.Shared(t).Client()
	l := begin(t, c, keystest.Sealer(t), "w", 17)
	l.live(600)
	l.world().SweepUp()
	lines := l.world().Export()
	different := func() (kinds []string) {
		for part := range slices.Chunk(lines, 170) {
			all, err := keystest.Transfer(l.store).Compare(t.Context(), l.access.WorkspaceID, part, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range all {
				kinds = append(kinds, one.Kind+" "+one.Why)
			}
		}
		return kinds
	}
	if got := different(); len(got) > 0 {
		t.Fatalf("nothing was changed, and %q", got)
	}
	ctx := context.Background()
	one := func(kind string, of func(transfer.ExportRecord) bool, pattern string, change func(name string) error, want string) {
		t.Helper()
		if !slices.ContainsFunc(lines, of) {
			t.Fatalf("nothing of the kind %q", kind)
		}
		found := false
		for _, name := range redistest.Names(t, c, pattern) {
			if strings.Count(name, ":") > 3 && kind == "usage of API" && (strings.HasSuffix(name, ":k") || strings.HasSuffix(name, ":i") || strings.HasSuffix(name, ":t")) {
				continue
			}
			dump := c.Dump(ctx, name).Val()
			ttl := max(0, c.PTTL(ctx, name).Val())
			if err := change(name); err != nil {
				t.Fatal(err)
			}
			found = found || slices.ContainsFunc(different(), func(got string) bool { return strings.HasPrefix(got, kind+" "+want) })
			if err := c.RestoreReplace(ctx, name, ttl, dump).Err(); err != nil {
				t.Fatal(err)
			}
			if found {
				break
			}
		}
		if !found {
			t.Errorf("%s: nobody noticed", kind)
		}
	}
	del := func(name string) error { return c.Del(ctx, name).Err() }
	one("key", func(l transfer.ExportRecord) bool { return l.Key != "" }, "tg:k:*", del, "is not there")
	one("key", func(l transfer.ExportRecord) bool { return l.Key != "" }, "tg:k:*", func(name string) error { return c.SetRange(ctx, name, 14, "\x77").Err() }, "is there with another content")
	one("api", func(l transfer.ExportRecord) bool { return l.Kind == "api" }, "tg:d:*api:*", del, "is not there")
	one("role name", func(l transfer.ExportRecord) bool { return l.Kind == "role" && l.Name != "" }, "tg:x:*role", del, "is not there")
	one("counter", func(l transfer.ExportRecord) bool { return l.Counter != "" }, "tg:c:*", del, "is not there")
	one("deleted key", func(l transfer.ExportRecord) bool { return l.Tombstone != "" }, "tg:t:*", del, "is not there")
	one("usage of API", func(l transfer.ExportRecord) bool { return l.Usage != "" }, "tg:u:*", del, "is not there")
	one("redemptions of setup key", func(l transfer.ExportRecord) bool { return l.Redeemed != "" }, "tg:sr:*", del, "is there with another content")
	if got := different(); len(got) > 0 {
		t.Errorf("afterwards: %q", got)
	}
}

// A backup that is cut off anywhere, or of which any byte is another one, is refused before
// anything is stored.
func TestBackupIsWhole(t *testing.T) {
	s := newWorld(t, redistest.Shared(t).Client(), "w")
	s.Stock(20, func(int) string { return "" })
	file := written(t, s.Store)
	for n := range file {
		if _, err := backup.Open(bytes.NewReader(file[:n])); err == nil {
			t.Fatalf("cut off behind %d of %d bytes", n, len(file))
		}
		changed := slices.Clone(file)
		changed[n] ^= 1
		if _, err := backup.Open(bytes.NewReader(changed)); err == nil {
			t.Fatalf("byte %d of %d was changed", n, len(file))
		}
	}
	lines := bytes.SplitAfter(file, []byte("\n"))
	missing := slices.Concat(slices.Concat(lines[:3]...), slices.Concat(lines[4:]...))
	if _, err := backup.Open(bytes.NewReader(missing)); err == nil {
		t.Error("a line is missing")
	}
	if _, err := backup.Open(bytes.NewReader(append(slices.Clone(file), "{}\n"...))); err == nil {
		t.Error("a line was added")
	}
	for text, want := range map[string]string{
		"": "is no backup", "hello\n": "is no backup", `{"tollgate":2,"workspace":"ws_1","time":1}` + "\n" + `{"end":true}` + "\n": "is no backup",
		`{"backup":2}` + "\n" + `{"records":0,"sha256":"x"}` + "\n": "newer version",
	} {
		if _, err := backup.Open(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A workspace that has its name from elsewhere is in the way, and nothing is stored then.
func TestBackupFits(t *testing.T) {
	file := written(t, newWorld(t, redistest.Shared(t).Client(), "w").Store)
	other := newWorld(t, redistest.Shared(t).Client(), "w")
	f, err := backup.Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Fits(t.Context(), keystest.Transfer(other.Store)); err == nil || !strings.Contains(err.Error(), "another workspace called w") {
		t.Errorf("%v", err)
	}
}
