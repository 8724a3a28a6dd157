package store_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/keystest/leaks"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/transfer"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// personal is a key with much that tells of a person.
func (s *world) personal(n int) keys.NewKey {
	s.TB.Helper()
	return s.Create(keys.KeyDraft{
		Prefix: "adas_prefix_____", Name: fmt.Sprint("the laptop of Ada Lovelace ", n), Meta: []byte(`{"email":"ada.lovelace@example.com"}`),
		ExternalID: "ada", Environment: "environment of Ada", Roles: keys.Named([]string{"admin"}, catalog.CreateFreely), Recoverable: s.sealing, Remaining: keystest.Uses(77),
		Limits: []ratelimit.Limit{{Name: "the limit of Ada", Limit: 3, Duration: 60000}},
	})
}

// The moment that a soft deletion is answered nothing is left of the key in Redis but its
// digest and ids: no metadata, no name, no sealed plaintext.
func TestSoftDeletionLeavesDigestAndIDs(t *testing.T) {
	server := redistest.Start(t, redistest.WithConfig("rdbcompression no"))
	s := newWorld(t, server.Client(), "w")
	s.Store, s.sealing = store.Open(s.Redis(), store.Options{Timeout: 10 * time.Second, Sealer: keystest.Sealer(t)}), true
	one, other := s.personal(1), s.personal(2)
	var c leaks.Canaries
	for _, text := range []string{"adas_prefix_____", "the laptop of Ada Lovelace", "ada.lovelace@example.com", "environment of Ada", "the limit of Ada"} {
		c.Add(text, text)
	}
	var tags []string
	for i, made := range []keys.NewKey{one, other} {
		k := s.Read(made.ID).Key
		c.Add(fmt.Sprint("sealed ", i), string(k.Sealed))
		c.Add(fmt.Sprint("secret ", i), made.Secret.Reveal())
		tags = append(tags, string(k.Digest[:]))
	}
	if found := c.Search("dump", server.Dump()); len(found) != c.Len()-2 {
		t.Fatalf("before it %s", leaks.Lines(found))
	}
	s.Must(s.DeleteKey(t.Context(), s.Access, one.ID, false))
	if n, err := s.DeleteKeys(t.Context(), s.Access, s.APIID, false); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	dump := server.Dump()
	if found := c.Search("dump", dump); len(found) > 0 {
		t.Errorf("after it %s", leaks.Lines(found))
	}
	for i, made := range []keys.NewKey{one, other} {
		if !bytes.Contains(dump, []byte(made.ID)) || !bytes.Contains(dump, []byte(tags[i])) {
			t.Error("the id or the digest is gone")
		}
	}
}

// A soft-deleted key is not found, its digest is taken, and a permanent deletion, of
// whoever may delete keys there, removes what is left and frees the digest.
func TestPermanentAfterSoft(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s, stranger := newWorld(t, c, "w"), newWorld(t, c, "other")
		secret := keys.NewSecret("the one to come back")
		draft := []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: s.APIID, ExternalID: "ada"}, Secret: secret}}
		before := len(keystest.Leftovers(t, c))
		ids, err := s.ImportKeys(t.Context(), s.Access, draft)
		s.Must(err)
		id := ids[0]
		s.Must(s.DeleteKey(t.Context(), s.Access, id, false))

		gateway := verify.New(store.Open(c, store.Options{Timeout: 10 * time.Second}), verify.Options{Timeout: 10 * time.Second})
		if o, err := gateway.Verify(t.Context(), &verify.Request{Secret: secret, Cost: 1}); err != nil || o.Code != verify.NotFound {
			t.Errorf("it verifies: %+v %v", o, err)
		}
		if _, err := s.Key(t.Context(), s.Access, id, false); keystest.Kind(err) != keys.KindNotFound {
			t.Errorf("it is read: %v", err)
		}
		if err := s.DeleteKey(t.Context(), s.Access, id, false); keystest.Kind(err) != keys.KindNotFound {
			t.Errorf("it is deleted twice: %v", err)
		}
		if _, err := s.ImportKeys(t.Context(), s.Access, draft); keystest.Kind(err) != keys.KindConflict {
			t.Errorf("its digest is free: %v", err)
		}
		if err := s.DeleteKey(t.Context(), stranger.Access, id, true); keystest.Kind(err) != keys.KindNotFound {
			t.Errorf("a stranger: %v", err)
		}
		clerk := keys.Caller{WorkspaceID: s.Access.WorkspaceID, Grants: []string{"api.*.read_key"}}
		if err := s.DeleteKey(t.Context(), clerk.As(keys.DeleteKey), id, true); keystest.Kind(err) != keys.KindMissingPermission {
			t.Errorf("without the right: %v", err)
		}
		s.Must(s.DeleteKey(t.Context(), s.Access, id, true))
		if err := s.DeleteKey(t.Context(), s.Access, id, true); keystest.Kind(err) != keys.KindNotFound {
			t.Errorf("deleted for good twice: %v", err)
		}
		if names := append(keystest.Leftovers(t, c), redistest.Names(t, c, "tg:t*")...); len(names) != before {
			t.Errorf("left: %s", strings.Join(names, " "))
		}
		_, err = s.ImportKeys(t.Context(), s.Access, draft)
		s.Must(err)
	})
}

// Tombstones go with their API, also one that is in no list of them because the gateway
// died behind the deletion, and with a permanent deletion of its keys.
func TestTombstonesGoWithTheirAPI(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		kept := s.Create(keys.KeyDraft{})
		s.Must(s.DeleteKey(t.Context(), s.Access, kept.ID, false))
		_, err := s.CreateAPI(t.Context(), s.Access, "doomed") // the lists of APIs are there from here on
		s.Must(err)
		before := len(redistest.Names(t, c, "tg:[itl]*"))
		for _, all := range []func(api string) error{
			func(api string) error { return s.DeleteAPI(t.Context(), s.Access, api) },
			func(api string) error {
				_, err := s.DeleteKeys(t.Context(), s.Access, api, true)
				return err
			},
		} {
			doomed, err := s.CreateAPI(t.Context(), s.Access, "doomed")
			s.Must(err)
			d := &world{World: s.In(doomed.ID)}
			d.Stock(230, nil)
			if n, err := s.DeleteKeys(t.Context(), s.Access, d.APIID, false); n != 230 || err != nil {
				t.Fatal(n, err)
			}
			died := d.entries("tg:tl:" + d.APIID)
			if len(died) != 230 || len(d.entries("tg:l:"+d.APIID)) != 0 {
				t.Fatalf("%d tombstones are listed", len(died))
			}
			s.Must(c.ZRem(t.Context(), "tg:tl:"+d.APIID, died[7]).Err())
			s.Must(c.ZAdd(t.Context(), "tg:l:"+d.APIID, redis.Z{Member: died[7]}).Err())
			s.Must(all(d.APIID))
			s.SweepUp()
			names := redistest.Names(t, c, "tg:[itl]*")
			names = slices.DeleteFunc(names, func(name string) bool { return name == "tg:l:"+d.APIID && len(d.entries(name)) == 0 })
			if len(names) > before+1 {
				t.Errorf("%d names became %d: %v", before, len(names), names)
			}
			before = len(names)
		}
		s.Must(s.DeleteKey(t.Context(), s.Access, kept.ID, true))
	})
}

// buryWhole deletes a key as releases did that kept its whole record.
func (s *world) buryWhole(k *keys.Key) (tombstone string) {
	s.TB.Helper()
	record, _ := layout.RecordName(k.Digest)
	tombstone = "tg:t:" + strings.TrimPrefix(record, "tg:k:")
	s.Must(s.Redis().Rename(s.TB.Context(), record, tombstone).Err())
	s.Must(s.Redis().Del(s.TB.Context(), "tg:i:"+k.ID).Err())
	for _, entry := range s.entries("tg:l:" + s.APIID) {
		if strings.HasPrefix(entry, k.ID) {
			s.Must(s.Redis().ZRem(s.TB.Context(), "tg:l:"+s.APIID, entry).Err())
		}
	}
	return tombstone
}

// What a release kept of a deleted key that kept everything becomes a tombstone, which can be
// deleted for good; also what such a release leaves a day later, where it still runs. That of
// an API that is gone goes.
func TestWholeRecordsBecomeTombstones(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		doomed, err := s.CreateAPI(t.Context(), s.Access, "doomed")
		s.Must(err)
		d := &world{World: s.In(doomed.ID)}
		orphan := d.Read(d.Create(keys.KeyDraft{}).ID).Key
		s.Must(s.DeleteAPI(t.Context(), s.Access, d.APIID))
		gone := d.buryWhole(orphan)
		for day := range 2 {
			made := s.personal(day)
			tombstone := s.buryWhole(s.Read(made.ID).Key)
			if day > 0 {
				s.SweepUp()
				if text := c.Get(t.Context(), tombstone).Val(); !strings.Contains(text, "Lovelace") {
					t.Fatal("looked at again before a day has passed")
				}
				clock.Advance(25 * time.Hour)
				s.Must(c.Del(t.Context(), "tg:s:lease").Err())
			}
			s.SweepUp()
			if text := c.Get(t.Context(), tombstone).Val(); text == "" || strings.Contains(text, "Lovelace") || len(text) > 160 {
				t.Errorf("day %d: %q", day, text)
			}
			if listed := s.entries("tg:tl:" + s.APIID); len(listed) != 1 {
				t.Errorf("day %d: %v are listed", day, listed)
			}
			s.Must(s.DeleteKey(t.Context(), s.Access, made.ID, true))
			if c.Exists(t.Context(), tombstone, gone).Val() != 0 {
				t.Errorf("day %d: something is left", day)
			}
		}
	})
}

// A record is kept as long as asked beside its tombstone, and not if it is deleted for good.
func TestDeletedRetention(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		s.Store = store.Open(c, store.Options{Timeout: 10 * time.Second, DeletedRetention: time.Hour})
		for _, permanent := range []bool{false, true} {
			made := s.personal(0)
			s.Must(s.DeleteKey(t.Context(), s.Access, made.ID, false))
			kept, tombstones := redistest.Names(t, c, "tg:td:*"), redistest.Names(t, c, "tg:t:*")
			if len(kept) != 1 || !strings.Contains(c.Get(t.Context(), kept[0]).Val(), "Lovelace") {
				t.Fatalf("%v is kept", kept)
			}
			if life := c.PTTL(t.Context(), kept[0]).Val(); life > time.Hour || life < 50*time.Minute {
				t.Errorf("for %v", life)
			}
			for _, name := range tombstones {
				if strings.Contains(c.Get(t.Context(), name).Val(), "Lovelace") {
					t.Error("the tombstone holds more than ids")
				}
			}
			if permanent {
				s.Must(s.DeleteKey(t.Context(), s.Access, made.ID, true))
			} else {
				clock.Advance(61 * time.Minute)
			}
			if c.Exists(t.Context(), kept[0]).Val() != 0 {
				t.Errorf("permanent %v: it is still kept", permanent)
			}
		}
	})
}

// The digests of soft-deleted keys stay taken where a workspace is imported, by nothing but
// tombstones whatever the file has, and can be deleted for good there. A deleted key does not
// come back under its id.
func TestTombstonesAreImported(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		secret := keys.NewSecret("the one to come back")
		draft := []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: s.APIID, Name: "Ada Lovelace"}, Secret: secret}}
		ids, err := s.ImportKeys(t.Context(), s.Access, draft)
		s.Must(err)
		whole := s.Export()
		s.Must(s.DeleteKey(t.Context(), s.Access, ids[0], false))
		lines := s.Export()
		at := slices.IndexFunc(lines, func(l transfer.ExportRecord) bool { return l.Tombstone == ids[0] })
		if at < 0 || bytes.Contains(lines[at].Stored, []byte("Lovelace")) {
			t.Fatalf("%v", lines)
		}
		for _, l := range whole { // a file of a release that kept everything
			if l.Key == ids[0] {
				lines[at].Stored = l.Stored
			}
		}
		there := redistest.Empty(t)
		moved := &world{World: s.On(there)}
		if total := moved.ImportAll(lines); total.Different != 0 {
			t.Errorf("%+v", total)
		}
		names := redistest.Names(t, there, "tg:t:*")
		if len(names) != 1 || strings.Contains(there.Get(t.Context(), names[0]).Val(), "Lovelace") {
			t.Fatalf("%v", names)
		}
		if _, err := moved.ImportKeys(t.Context(), s.Access, draft); keystest.Kind(err) != keys.KindConflict {
			t.Errorf("its digest is free: %v", err)
		}
		if total := moved.ImportAll(whole); total.Stored != 0 || total.Different != 1 {
			t.Errorf("its key is imported again: %+v", total)
		}
		moved.Must(moved.DeleteKey(t.Context(), s.Access, ids[0], true))
		if names := redistest.Names(t, there, "tg:t*"); len(names) != 0 {
			t.Errorf("left: %v", names)
		}
	})
}

// An import names each line that it does not store, and why.
func TestImportSaysWhatItLeftOut(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		secret := keys.NewSecret("the one that is deleted")
		ids, err := s.ImportKeys(t.Context(), s.Access, []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: s.APIID}, Secret: secret}})
		s.Must(err)
		role, err := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "reader"})
		s.Must(err)
		doomed, err := s.CreateAPI(t.Context(), s.Access, "doomed")
		s.Must(err)
		d := &world{World: s.In(doomed.ID)}
		gone := d.Create(keys.KeyDraft{})
		s.Must(s.DeleteKey(t.Context(), s.Access, gone.ID, false))
		lines := s.Export()

		s.Must(s.DeleteKey(t.Context(), s.Access, ids[0], false))
		s.Must(s.DeleteRole(t.Context(), s.Access, keys.Ref{ID: role.ID}))
		_, err = s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "reader"})
		s.Must(err)
		s.Must(s.AllowIPs(t.Context(), s.Access, s.APIID, []string{"192.0.2.1"}))
		s.Must(s.DeleteAPI(t.Context(), s.Access, doomed.ID))
		lines = slices.DeleteFunc(lines, func(l transfer.ExportRecord) bool { return l.ID == doomed.ID })
		why := map[string]string{}
		for at, l := range lines {
			done, err := keystest.Transfer(s.Store).Import(t.Context(), s.Access.WorkspaceID, []transfer.ExportRecord{l})
			s.Must(err)
			if int64(len(done.LeftOut)) != done.Different {
				t.Errorf("line %d: %+v", at, done)
			}
			for _, left := range done.LeftOut {
				why[left.Kind+" "+left.ID] = left.Why
			}
		}
		for what, want := range map[string]string{
			"key " + ids[0]:          "was deleted there, or another key with its hash",
			"role name reader":       "is the name of another one there",
			"api " + s.APIID:         "is there with another content, which stays",
			"deleted key " + gone.ID: "is of an API that is not there",
		} {
			if why[what] != want {
				t.Errorf("%s: %q", what, why[what])
			}
		}
		if len(why) != 4 {
			t.Errorf("%v", why)
		}
	})
}
