package transfer_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/transfer"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// testdata/older holds stores as the release wrote them in which package keys was one flat
// package, with every kind of name that layout/names.go lists, and what that release made of
// them. They were made once, by a program on that release, and are not made again:
//
//	*.redis     the commands that make the store: redis.redis a single Redis,
//	            cluster.redis a Cluster
//	*.json      when that was, and what is in it
//	*.export    its export, sorted
//	*.imported  an empty Redis after the import of that
//	*.seen      what was read of it, and what came of using everything once more, with
//	            the names that fields have in Go by now, and -1 left where that is
//	            unlimited
//	keyset.json with which its plaintexts are sealed

// olderStore is what a *.json says. Secrets are those of keys, Tokens those of setup keys,
// Roots those of root keys, also of a deleted one.
type olderStore struct {
	Time                   int64 // unix ms
	Workspace              string
	APIs, IDs, Setups      []string
	Secrets, Tokens, Roots []string
}

// eachOlder runs the test on each store of testdata/older, at the time when it was written.
func eachOlder(t *testing.T, test func(t *testing.T, files string, l *life)) {
	one := func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		files := "redis"
		if _, ok := c.(*redis.ClusterClient); ok {
			files = "cluster"
		}
		o := readOlder(t, files)
		clock.SetClock(time.UnixMilli(o.Time))
		restore(t, c, olderLines(t, files+".redis"))
		test(t, files, o.life(t, c))
	}
	redistest.EachWithClock(t, one)
	if redistest.Kind() == "" {
		t.Run("cluster", func(t *testing.T) {
			servers := redistest.Cluster(t, 3, 0, redistest.WithMovableClock())
			one(t, servers.Client(), &clocks{servers})
		})
	}
}

// clocks are those of servers that have one each.
type clocks struct{ *redistest.ClusterServer }

// SetClock moves all of them.
func (c *clocks) SetClock(to time.Time) {
	for _, server := range c.Nodes {
		server.SetClock(to)
	}
	c.Await()
}

func readOlder(t *testing.T, files string) (o olderStore) {
	t.Helper()
	text, err := os.ReadFile(olderFile(files + ".json"))
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// life is the workspace of an older store.
func (o *olderStore) life(t *testing.T, c redis.UniversalClient) *life {
	t.Helper()
	sealer, err := store.LoadSealer(olderFile("keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	l := &life{t: t, store: store.Open(c, store.Options{Timeout: 10 * time.Second, Sealer: sealer}), access: keys.Operator(o.Workspace).As()}
	l.apis, l.ids, l.setups = o.APIs, o.IDs, o.Setups
	l.secrets, l.tokens, l.roots = secretsOf(o.Secrets), secretsOf(o.Tokens), o.Roots
	return l
}

func secretsOf(texts []string) (all []keys.Secret) {
	for _, text := range texts {
		all = append(all, keys.NewSecret(text))
	}
	return all
}

// A store that the release before wrote is read as that release read it: every key by its
// id, in the lists and by its secret, with the same code and the same uses left; every
// definition, the usage, what setup keys were redeemed for, and root keys.
func TestOlderStoreIsReadTheSame(t *testing.T) {
	eachOlder(t, func(t *testing.T, files string, l *life) {
		if err := l.store.Mark(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen := append(withoutNothing(look(l, l.store)), withoutNothing(spend(l, l.store))...)
		gateway := verify.New(l.store, verify.Options{})
		for _, root := range secretsOf(l.roots) {
			seen = append(seen, rooted(t, gateway, root))
		}
		sameLines(t, files, seen, olderLines(t, files+".seen"))
	})
}

// rooted is the workspace of a root key, or why it is refused.
func rooted(t *testing.T, gateway *verify.Verifier, secret keys.Secret) string {
	caller, err := gateway.Authenticate(t.Context(), secret, netip.Addr{})
	if err != nil {
		return err.Error()
	}
	return caller.WorkspaceID
}

// nothing is a field of JSON that has no value.
var nothing = regexp.MustCompile(`"[A-Za-z]+":(null|""|0|false|\[\]),?`)

// withoutNothing is what was seen, a line each, without fields that have no value.
func withoutNothing(seen []string) (all []string) {
	for _, line := range seen {
		all = append(all, strings.ReplaceAll(nothing.ReplaceAllString(line, ""), "\n", " "))
	}
	return all
}

// The export of a store that the release before wrote is the one that release made, byte for
// byte; and an import of it makes the Redis names and values that release made.
func TestOlderStoreIsExportedAndImportedTheSame(t *testing.T) {
	eachOlder(t, func(t *testing.T, files string, l *life) {
		lines := l.world().Export()
		sameLines(t, files, exported(t, lines), olderLines(t, files+".export"))

		m := redistest.Mini(t)
		m.SetTime(time.UnixMilli(readOlder(t, files).Time))
		c := redistest.Client(t, m.Addr())
		to := l.world().On(c)
		if total := to.ImportAll(lines); total.Different != 0 {
			t.Errorf("%+v", total)
		}
		sameLines(t, files, timeless(t, dumped(t, c)), olderLines(t, files+".imported"))
	})
}

// exported is the export as a file has it, sorted, with times to live to the hour.
func exported(t *testing.T, lines []transfer.ExportRecord) (all []string) {
	t.Helper()
	for _, line := range lines {
		line.Time, line.TTL = 0, line.TTL/3600_000
		text, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	slices.Sort(all)
	return all
}

// What the release before wrote is what this one writes: each record is the same, byte for
// byte, when it was read and is written again. So that release reads what this one writes.
func TestOlderRecordsAreWrittenTheSame(t *testing.T) {
	for _, files := range []string{"redis.redis", "cluster.redis", "redis.imported"} {
		count := map[string]int{}
		for _, line := range olderLines(t, files) {
			command := arguments(t, line)
			if command[0] != "SET" || len(command) < 3 { // timeless leaves revisions out
				continue
			}
			name, stored := command[1], command[2]
			again, kind, err := rewritten(name, stored)
			if err != nil || again != stored {
				t.Errorf("%s: %s became %q, was %q: %v", files, name, again, stored, err)
			}
			count[kind]++
		}
		for _, kind := range []string{"tg:k", "tg:t", "tg:d api", "tg:d permission", "tg:d role", "tg:d identity", "tg:d ratelimit_namespace", "tg:d group", "tg:d migration"} {
			if count[kind] == 0 {
				t.Errorf("%s has no %s", files, kind)
			}
		}
	}
}

// rewritten reads a record and writes it again; what kind of record it is.
func rewritten(name, stored string) (again, kind string, err error) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(name, "tg:"), ":")
	kind = "tg:" + kind
	switch kind {
	case "tg:k", "tg:td":
		again, err = rewrittenKey(stored)
	case "tg:t":
		var tombstone *store.Tombstone
		if tombstone, err = store.DecodeTombstone(stored); err == nil {
			again = tombstone.Text()
		}
	case "tg:d":
		_, rest, _ = strings.Cut(rest, "}")
		of, _, _ := strings.Cut(rest, ":")
		kind += " " + of
		again, err = rewrittenDefinition(layout.Kind(of), stored)
	default:
		again = stored // plain text, or written by Redis alone
	}
	return again, kind, err
}

func rewrittenKey(stored string) (string, error) {
	k, state, revision, err := layout.DecodeKey(stored)
	if err != nil {
		return "", err
	}
	b := append([]byte(revision), layout.AppendU56(layout.AppendU56(nil, state.Balance), state.NextRefill)...)
	b = layout.AppendWindows(append(b, byte(len(state.Windows))), state.Windows)
	return string(append(b, layout.Encode(k)...)), nil
}

func rewrittenDefinition(kind layout.Kind, stored string) (string, error) {
	switch kind {
	case layout.KindAPI:
		return rewrittenAs[keys.API](stored)
	case layout.KindPermission:
		return rewrittenAs[keys.Permission](stored)
	case layout.KindRole:
		return rewrittenAs[keys.Role](stored)
	case layout.KindIdentity:
		return rewrittenAs[keys.Identity](stored)
	case layout.KindNamespace:
		return rewrittenAs[keys.Namespace](stored)
	case layout.KindGroup:
		return rewrittenAs[setupkeys.Group](stored)
	case layout.KindMigration:
		return rewrittenAs[keys.Migration](stored)
	}
	return stored, nil // group_use: a mark
}

func rewrittenAs[T any](stored string) (string, error) {
	d, err := layout.DecodeDefinition[T](stored)
	if err != nil {
		return "", err
	}
	return layout.EncodeDefinition(d), nil
}
