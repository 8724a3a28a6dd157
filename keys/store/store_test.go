package store_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/refill"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// What is created reads back, and is stored as a digest alone.
func TestCreateReadsBack(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{
			Prefix: "acme", Name: "n", ExternalID: "user_1", Meta: []byte(`{"a":1e3}`), Environment: "test",
			Permissions: keys.Named([]string{"b.read", "a.read", "b.read"}, catalog.CreateFreely), Roles: keys.Named([]string{"admin"}, catalog.CreateFreely),
			Expires: 4102444800000, Remaining: keystest.Uses(5), Refill: &refill.Schedule{Amount: 9, Day: 31},
			Limits: []ratelimit.Limit{{Name: "l", Limit: 3, Duration: 60000, AutoApply: true}},
		})
		d := s.Read(made.ID)
		k := d.Key
		if k.Name != "n" || string(k.Meta) != `{"a":1e3}` || k.Environment != "test" || k.Expires != 4102444800000 || !k.HasCredits ||
			d.State.Balance != 5 || *k.Refill != (refill.Schedule{Amount: 9, Day: 31}) || d.State.NextRefill != k.Refill.Next(d.Now) {
			t.Errorf("%+v %+v", k, d.State)
		}
		if !slices.Equal(d.Resolved.Direct, []string{"a.read", "b.read"}) || !slices.Equal(d.Resolved.RoleNames(), []string{"admin"}) || d.Resolved.Identity.ExternalID != "user_1" {
			t.Errorf("%+v", d.Resolved)
		}
		if k.Digest != made.Secret.Digest() || !strings.HasPrefix(made.Secret.Reveal(), k.Start) || !strings.HasPrefix(k.Start, "acme_") {
			t.Errorf("start %q", k.Start)
		}
	})
}

// Updates made at the same time through several gateways all happen, and none
// takes another one's field, or a use, back.
func TestConcurrentChangesAllHappen(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s, other := newWorld(t, c, "w"), store.Open(c, store.Options{Timeout: 10 * time.Second})
		made := s.Create(keys.KeyDraft{Remaining: keystest.Uses(0)})
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				_, _, err := s.UpdateCredits(t.Context(), s.Access, made.ID, store.IncrementCredits, keystest.Uses(10))
				if err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				limit := ratelimit.Limit{Name: fmt.Sprint("limit", i), Limit: 3, Duration: 60000}
				for { // only a busy key is worth another try
					err := other.UpdateKey(t.Context(), s.Access, made.ID, keys.KeyPatch{Limit: &limit})
					if err == nil {
						return
					}
					if keystest.Kind(err) != keys.KindUnavailable {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		if d := s.Read(made.ID); d.State.Balance != 120 || len(d.Key.Limits) != 12 {
			t.Errorf("balance %d of 120, %d limits of 12", d.State.Balance, len(d.Key.Limits))
		}
	})
}

// The balance's operations: bounds, and what makes no sense is refused and changes
// nothing.
func TestUpdateCredits(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{Remaining: keystest.Uses(10), Refill: &refill.Schedule{Amount: 9}})
		for _, row := range []struct {
			op    keys.CreditsOperation
			value *int64
			want  *int64
			kind  keys.Kind
		}{
			{store.IncrementCredits, keystest.Uses(5), keystest.Uses(15), 255},
			{store.DecrementCredits, keystest.Uses(500), keystest.Uses(0), 255},
			{store.SetCredits, keystest.Uses(keys.MaxCount), keystest.Uses(keys.MaxCount), 255},
			{store.IncrementCredits, keystest.Uses(1), nil, keys.KindInvalid},
			{store.IncrementCredits, nil, nil, keys.KindInvalid},
			{store.SetCredits, keystest.Uses(-1), nil, keys.KindInvalid},
			{store.SetCredits, keystest.Uses(keys.MaxCount + 1), nil, keys.KindInvalid},
			{store.SetCredits, nil, nil, 255},
			{store.DecrementCredits, keystest.Uses(1), nil, keys.KindInvalid},
			{store.SetCredits, keystest.Uses(3), keystest.Uses(3), 255},
		} {
			got, _, err := s.UpdateCredits(t.Context(), s.Access, made.ID, row.op, row.value)
			if keystest.Kind(err) != row.kind || err == nil && (got == nil) != (row.want == nil) || err == nil && got != nil && *got != *row.want {
				t.Errorf("%+v: %v, %v", row, got, err)
			}
		}
		if d := s.Read(made.ID); d.State.Balance != 3 || d.Key.Refill != nil {
			t.Errorf("%+v, refill %v: unlimited ends the refill", d.State, d.Key.Refill)
		}
	})
}

// A limit that changes keeps its count while its windows stay as long; the
// others' counts stay whatever happens to it.
func TestUpdateKeepsCounts(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		hour := int64(3600_000)
		made := s.Create(keys.KeyDraft{Limits: []ratelimit.Limit{{Name: "a", Limit: 3, Duration: hour}, {Name: "b", Limit: 3, Duration: hour}}})
		before := s.Read(made.ID).Key.Limits
		s.Must(s.UpdateKey(t.Context(), s.Access, made.ID, keys.KeyPatch{Limit: &ratelimit.Limit{Name: "a", Limit: 9, Duration: hour}}))
		after := s.Read(made.ID).Key.Limits
		if after[0].ID != before[1].ID || after[1].ID != before[0].ID || after[1].Limit != 9 {
			t.Errorf("%+v became %+v: ids stay with names", before, after)
		}
	})
}

// Nothing of one workspace can be read, changed or told apart from what does not
// exist with another workspace's rights, or without the right.
func TestTenantsNeverMeet(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		mine, theirs := newWorld(t, c, "mine"), newWorld(t, c, "theirs")
		made := mine.Create(keys.KeyDraft{Remaining: keystest.Uses(5)})
		before := mine.Read(made.ID)
		for name, try := range map[string]func(a keys.Access, id, api string) error{
			"read":    func(a keys.Access, id, _ string) error { _, err := mine.Key(t.Context(), a, id, false); return err },
			"decrypt": func(a keys.Access, id, _ string) error { _, err := mine.Key(t.Context(), a, id, true); return err },
			"update": func(a keys.Access, id, _ string) error {
				return mine.UpdateKey(t.Context(), a, id, keys.KeyPatch{Disabled: keys.To(true)})
			},
			"credits": func(a keys.Access, id, _ string) error {
				_, _, err := mine.UpdateCredits(t.Context(), a, id, store.SetCredits, keystest.Uses(1))
				return err
			},
			"delete":   func(a keys.Access, id, _ string) error { return mine.DeleteKey(t.Context(), a, id, true) },
			"read api": func(a keys.Access, _, api string) error { _, err := mine.API(t.Context(), a, api); return err },
			"create": func(a keys.Access, _, api string) error {
				_, err := mine.CreateKey(t.Context(), a, keys.KeyDraft{APIID: api})
				return err
			},
		} {
			foreign, absent := try(theirs.Access, made.ID, mine.APIID), try(theirs.Access, "key_none", "api_none")
			if keystest.Kind(foreign) != keys.KindNotFound || strings.ReplaceAll(strings.ReplaceAll(foreign.Error(), made.ID, "ID"), mine.APIID, "ID") !=
				strings.ReplaceAll(strings.ReplaceAll(absent.Error(), "key_none", "ID"), "api_none", "ID") {
				t.Errorf("%s: foreign %v, absent %v", name, foreign, absent)
			}
			weak := (&keys.Caller{WorkspaceID: mine.Access.WorkspaceID, Grants: []string{"api.*.nothing"}}).As(keys.ReadKey)
			if err := try(weak, made.ID, mine.APIID); keystest.Kind(err) != keys.KindMissingPermission {
				t.Errorf("%s without the right: %v", name, err)
			}
		}
		if after := mine.Read(made.ID); after.State.Balance != before.State.Balance || after.Key.UpdatedAt != before.Key.UpdatedAt {
			t.Errorf("%+v became %+v", before.Key, after.Key)
		}
	})
}

// A deleted key's secret stays taken unless it was deleted for good.
func TestDelete(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		for _, permanent := range []bool{false, true} {
			made := s.Create(keys.KeyDraft{})
			s.Must(s.DeleteKey(t.Context(), s.Access, made.ID, permanent))
			if err := s.DeleteKey(t.Context(), s.Access, made.ID, permanent); keystest.Kind(err) != keys.KindNotFound {
				t.Errorf("a second time: %v", err)
			}
			_, _, err := s.CreateRootKey(t.Context(), s.Access.WorkspaceID, keys.RootDraft{Grants: []string{keys.Everything}, Secret: made.Secret})
			if taken := keystest.Kind(err) == keys.KindConflict; taken == permanent {
				t.Errorf("permanent %v: the same secret again: %v", permanent, err)
			}
		}
	})
}

// A root key that was given is made once, however often and wherever it is given;
// what is listed can be deleted.
func TestRootKeys(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		ws := s.Access.WorkspaceID
		draft := keys.RootDraft{Grants: []string{keys.Everything}, Name: "given", Secret: keys.NewSecret("an-operators-own-secret")}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				store := store.Open(c, store.Options{Timeout: 10 * time.Second})
				if _, _, err := store.CreateRootKey(t.Context(), ws, draft); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		minted, secret, err := s.CreateRootKey(t.Context(), ws, keys.RootDraft{Grants: []string{"api.*.read_key"}})
		s.Must(err)
		list, _, err := s.RootKeys(t.Context(), ws, 0)
		s.Must(err)
		if len(list) != 2 || secret.Reveal() == "" {
			t.Fatalf("%d root keys", len(list))
		}
		s.Must(s.DeleteRootKey(t.Context(), ws, minted))
		if list, _, _ = s.RootKeys(t.Context(), ws, 0); len(list) != 1 || list[0].Name != "given" {
			t.Errorf("%+v", list)
		}
		if _, err := s.Key(t.Context(), s.Access, list[0].ID, false); keystest.Kind(err) != keys.KindNotFound {
			t.Errorf("a root key read as a key: %v", err)
		}
		if _, _, err := s.CreateRootKey(t.Context(), ws, keys.RootDraft{Grants: []string{keys.Everything}, Secret: keys.NewSecret("short")}); keystest.Kind(err) != keys.KindInvalid {
			t.Errorf("a short secret: %v", err)
		}
	})
}

// Every root key is listed, however many entries stand before it, and where a limit leaves
// some out that is said.
func TestRootKeysAreListedToTheEnd(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		ws := s.Access.WorkspaceID
		for range 2 {
			_, _, err := s.CreateRootKey(t.Context(), ws, keys.RootDraft{Grants: []string{keys.Everything}})
			s.Must(err)
		}
		nowhere := make([]redis.Z, 10_000)
		for i := range nowhere {
			nowhere[i].Member = fmt.Sprintf("key_%022d", i)
		}
		s.Must(c.ZAdd(t.Context(), "tg:l:{"+ws+"}root_key", nowhere...).Err())
		for limit, want := range []int{2, 1, 2, 2} {
			list, more, err := s.RootKeys(t.Context(), ws, limit)
			s.Must(err)
			if len(list) != want || more != (limit == 1) {
				t.Errorf("limit %d: %d root keys, more: %v", limit, len(list), more)
			}
		}
	})
}

// A Redis that accepts and does not answer is not waited for longer than the store's timeout.
func TestRootKeysOfASilentRedis(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client := redis.NewClient(&redis.Options{Addr: listener.Addr().String(), ContextTimeoutEnabled: true, ReadTimeout: time.Minute, MaxRetries: -1})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, _, err = store.Open(client, store.Options{Timeout: 100 * time.Millisecond}).RootKeys(ctx, "ws_1", 0); keystest.Kind(err) != keys.KindUnavailable {
		t.Error(err)
	}
	if ctx.Err() != nil {
		t.Error("it waited for as long as its caller")
	}
}

// A recoverable key's plaintext comes back to those who may have it, and to no
// others; nothing of it is in the store.
func TestRecoverable(t *testing.T) {
	server := redistest.Start(t)
	file := filepath.Join(t.TempDir(), "keyset")
	text, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	sealer, err := store.LoadSealer(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newWorld(t, server.Client(), "w")
	if _, err := s.CreateKey(t.Context(), s.Access, keys.KeyDraft{APIID: s.APIID, Recoverable: true}); keystest.Kind(err) != keys.KindPrecondition {
		t.Errorf("without a keyset: %v", err)
	}
	s.Store = store.Open(server.Client(), store.Options{Sealer: sealer})
	made := s.Create(keys.KeyDraft{Recoverable: true, Prefix: "acme"})
	d, err := s.Key(t.Context(), s.Access, made.ID, true)
	s.Must(err)
	if d.Secret != made.Secret {
		t.Error("another plaintext came back")
	}
	if d := s.Read(made.ID); d.Secret.Reveal() != "" {
		t.Error("it came back unasked")
	}
	reader := (&keys.Caller{WorkspaceID: s.Access.WorkspaceID, Grants: []string{"api.*.create_key", "api.*.read_key"}}).As(keys.ReadKey)
	if _, err := s.Key(t.Context(), reader, made.ID, true); keystest.Kind(err) != keys.KindMissingPermission {
		t.Errorf("decrypt without the right: %v", err)
	}
	if _, err := s.CreateKey(t.Context(), reader.As(keys.CreateKey), keys.KeyDraft{APIID: s.APIID, Recoverable: true}); keystest.Kind(err) != keys.KindMissingPermission {
		t.Errorf("encrypt without the right: %v", err)
	}
	if dump := server.Dump(); bytes.Contains(dump, []byte(made.Secret.Reveal())) || !bytes.Contains(dump, []byte(made.ID)) {
		t.Error("the plaintext is in the dump, or the dump is not one")
	}
}

// A root key that was deleted is deleted for good: whoever has its secret in the
// environment does not bring it back, nor does another workspace, nor a copy of the store.
func TestDeletedRootKeyStaysDeleted(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		ws := s.Access.WorkspaceID
		draft := keys.RootDraft{Grants: []string{keys.Everything}, Secret: keys.NewSecret("an-operators-own-secret")}
		id, secret, err := s.CreateRootKey(t.Context(), ws, draft)
		s.Must(err)
		s.Must(s.DeleteRootKey(t.Context(), ws, id))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, _, err := store.Open(c, store.Options{Timeout: 10 * time.Second}).CreateRootKey(t.Context(), ws, draft)
				if keystest.Kind(err) != keys.KindGone || !strings.Contains(err.Error(), id) {
					t.Errorf("it came back: %v", err)
				}
			})
		}
		all.Wait()
		other, err := s.Workspace(t.Context(), "other")
		s.Must(err)
		if _, _, err := s.CreateRootKey(t.Context(), other, draft); keystest.Kind(err) != keys.KindConflict || strings.Contains(err.Error(), id) {
			t.Errorf("in another workspace: %v", err)
		}
		if list, _, err := s.RootKeys(t.Context(), ws, 0); err != nil || len(list) != 0 {
			t.Errorf("%d root keys, %v", len(list), err)
		}
		if err := s.DeleteRootKey(t.Context(), ws, id); keystest.Kind(err) != keys.KindNotFound {
			t.Errorf("deleted twice: %v", err)
		}
		if err := s.DeleteKey(t.Context(), s.Access, id, true); keystest.Kind(err) != keys.KindNotFound {
			t.Errorf("its tombstone was deleted like a key's: %v", err)
		}
		verifier := verify.New(s.Store, verify.Options{Timeout: 10 * time.Second})
		if _, err := verifier.Authenticate(t.Context(), secret, netip.Addr{}); keystest.Kind(err) != keys.KindUnauthenticated {
			t.Errorf("it is a caller: %v", err)
		}
		lines := s.Export()
		moved := &world{World: s.On(redistest.Empty(t))}
		if total := moved.ImportAll(lines); total.Different != 0 {
			t.Errorf("the import: %+v", total)
		}
		if _, _, err := moved.CreateRootKey(t.Context(), ws, draft); keystest.Kind(err) != keys.KindGone {
			t.Errorf("it came back in a copy of the store: %v", err)
		}
	})
}
