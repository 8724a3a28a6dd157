package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

const hour = int64(3600_000)

func (s *world) reroll(id string, grace int64) keys.NewKey {
	s.TB.Helper()
	made, err := s.RerollKey(s.TB.Context(), s.Access, id, store.Reroll{Grace: grace})
	s.Must(err)
	return made
}

// code verifies on a gateway that knows nothing yet.
func (s *world) code(secret keys.Secret) verify.Code {
	s.TB.Helper()
	o, err := verify.New(s.Store, verify.Options{Timeout: 10 * time.Second}).Verify(s.TB.Context(), &verify.Request{Secret: secret, Cost: verify.Free})
	s.Must(err)
	return o.Code
}

func (s *world) codes(all ...keys.NewKey) string {
	s.TB.Helper()
	var codes []string
	for _, one := range all {
		codes = append(codes, string(s.code(one.Secret)))
	}
	return strings.Join(codes, " ")
}

// The law of ids: of a secret that a reroll is ending the id speaks for that secret, of any
// other for the key with all its secrets.
func TestLawOfIDs(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		update := func(p keys.KeyPatch) func(...string) error {
			return func(ids ...string) error { return s.UpdateKey(t.Context(), s.Access, ids[0], p) }
		}
		remove := func(permanent bool) func(...string) error {
			return func(ids ...string) (err error) {
				for _, id := range ids {
					err = errors.Join(err, s.DeleteKey(t.Context(), s.Access, id, permanent))
				}
				return err
			}
		}
		past, future := keys.To(int64(1)), keys.To(time.Now().UnixMilli()+3600_000)
		for _, row := range []struct {
			what string
			do   func(ids ...string) error
			to   []int // of the first secret, the second, which is current as well, and the newest
			want string
		}{
			{"nothing", func(...string) error { return nil }, nil, "VALID VALID VALID"},
			{"disable the old one", update(keys.KeyPatch{Disabled: keys.To(true)}), []int{0}, "DISABLED VALID VALID"},
			{"disable a current one", update(keys.KeyPatch{Disabled: keys.To(true)}), []int{1}, "DISABLED DISABLED DISABLED"},
			{"disable the newest", update(keys.KeyPatch{Disabled: keys.To(true)}), []int{2}, "DISABLED DISABLED DISABLED"},
			{"end the old one", update(keys.KeyPatch{Expires: past}), []int{0}, "EXPIRED VALID VALID"},
			{"end the newest", update(keys.KeyPatch{Expires: past}), []int{2}, "EXPIRED EXPIRED EXPIRED"},
			{"the newest ends later", update(keys.KeyPatch{Expires: future}), []int{2}, "VALID VALID VALID"},
			{"the old one never ends", update(keys.KeyPatch{Expires: keys.Cleared[int64]()}), []int{0}, "VALID VALID VALID"},
			{"delete the old one", remove(false), []int{0}, "NOT_FOUND VALID VALID"},
			{"delete the old one for good", remove(true), []int{0}, "NOT_FOUND VALID VALID"},
			{"delete a current one", remove(false), []int{1}, "VALID NOT_FOUND VALID"},
			{"delete the newest for good", remove(true), []int{2}, "VALID VALID NOT_FOUND"},
			{"delete both that are current", remove(true), []int{2, 1}, "NOT_FOUND NOT_FOUND NOT_FOUND"},
			{"delete both that are current softly", remove(false), []int{1, 2}, "NOT_FOUND NOT_FOUND NOT_FOUND"},
		} {
			first := s.Create(keys.KeyDraft{})
			second := s.reroll(first.ID, hour)
			third := s.reroll(first.ID, hour)
			all := []keys.NewKey{first, second, third}
			var ids []string
			for _, i := range row.to {
				ids = append(ids, all[i].ID)
			}
			s.Must(row.do(ids...))
			if got := s.codes(all...); got != row.want {
				t.Errorf("%s: %s, want %s", row.what, got, row.want)
			}
			for i, code := range strings.Fields(row.want) {
				d, err := s.Key(t.Context(), s.Access, all[i].ID, false)
				there := err == nil && d.Key.ID == all[i].ID && d.Key.Digest == all[i].Secret.Digest()
				if there != (code != "NOT_FOUND") || there && d.Key.Disabled != (code == "DISABLED") {
					t.Errorf("%s: secret %d is read as %+v, %v", row.what, i, d, err)
				}
			}
		}
	})
}

// A change of the uses of a rerolled key by the id of any of its secrets is one of the one
// balance, and leaves the record as it is: every secret verifies.
func TestCreditsByEachIDOfARerolledKey(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		first := s.Create(keys.KeyDraft{Remaining: keystest.Uses(0)})
		all := []keys.NewKey{first, s.reroll(first.ID, hour), s.reroll(first.ID, hour)}
		want := int64(0)
		for i, one := range all {
			left, _, err := s.UpdateCredits(t.Context(), s.Access, one.ID, store.IncrementCredits, keystest.Uses(10))
			s.Must(err)
			if want += 10; *left != want {
				t.Errorf("%d uses after the change by id %d, want %d", *left, i, want)
			}
			if got := s.codes(all...); got != "VALID VALID VALID" {
				t.Fatalf("after the change by id %d: %s", i, got)
			}
			for j, other := range all {
				if d := s.Read(other.ID); d.Key.ID != other.ID || d.Key.Digest != other.Secret.Digest() || d.State.Balance != want {
					t.Errorf("after the change by id %d, secret %d is %+v with %d uses", i, j, d.Key, d.State.Balance)
				}
			}
		}
	})
}

// What is enabled again by a current id is what was disabled by it. The id of a secret that
// ends does not enable the key, and says so.
func TestEnableARerolledKey(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		old := s.Create(keys.KeyDraft{})
		next := s.reroll(old.ID, hour)
		set := func(id string, disabled bool) error {
			return s.UpdateKey(t.Context(), s.Access, id, keys.KeyPatch{Disabled: keys.To(disabled)})
		}
		s.Must(set(old.ID, true))
		s.Must(set(next.ID, true))
		if err := set(old.ID, false); keystest.Kind(err) != keys.KindPrecondition {
			t.Errorf("the old id enabled the key: %v", err)
		}
		s.Must(set(next.ID, false))
		if got := s.codes(old, next); got != "DISABLED VALID" {
			t.Error(got)
		}
		s.Must(set(old.ID, false))
		if got := s.codes(old, next); got != "VALID VALID" {
			t.Error(got)
		}
	})
}

// The second reroll of a key leaves the secret of the first one alive, and the newest never
// inherits an end that a reroll set, but the key's own.
func TestRerollOfAReroll(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		now, err := s.Now(t.Context())
		s.Must(err)
		own := now + 100*hour
		first := s.Create(keys.KeyDraft{Expires: own})
		second := s.reroll(first.ID, hour)
		third := s.reroll(first.ID, 5*hour) // an end is never put off by that
		fourth := s.reroll(second.ID, 2*hour)
		ends := func(k keys.NewKey) int64 { return (s.Read(k.ID).Key.Expires - now) / hour }
		if got := fmt.Sprint(ends(first), ends(second), ends(third), ends(fourth)); got != "1 2 100 100" {
			t.Error("they end in hours:", got)
		}
		for _, row := range []struct {
			hours int64
			want  string
		}{{0, "VALID VALID VALID VALID"}, {1, "EXPIRED VALID VALID VALID"}, {1, "EXPIRED EXPIRED VALID VALID"}, {98, "EXPIRED EXPIRED EXPIRED EXPIRED"}} {
			clock.Advance(time.Duration(row.hours) * time.Hour)
			if row.hours > 0 {
				clock.Advance(time.Second)
			}
			if got := s.codes(first, second, third, fourth); got != row.want {
				t.Errorf("%d hours later: %s", row.hours, got)
			}
		}
		for _, ended := range []keys.NewKey{first, fourth} {
			if _, err := s.RerollKey(t.Context(), s.Access, ended.ID, store.Reroll{}); keystest.Kind(err) != keys.KindPrecondition {
				t.Errorf("a secret that has ended was rerolled: %v", err)
			}
		}
	})
}

// A key has at most MaxSecrets that have not ended; those that have make room.
func TestRerollIsBounded(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{})
		all := []keys.NewKey{made}
		for range keys.MaxSecrets - 1 {
			all = append(all, s.reroll(all[len(all)-1].ID, hour))
		}
		last := func() keys.NewKey { return all[len(all)-1] }
		if _, err := s.RerollKey(t.Context(), s.Access, last().ID, store.Reroll{Grace: 1}); keystest.Kind(err) != keys.KindPrecondition {
			t.Fatalf("one more than %d: %v", keys.MaxSecrets, err)
		}
		all = append(all, s.reroll(last().ID, 0)) // the one that it replaces has ended
		if got := s.code(all[0].Secret); got != verify.Valid {
			t.Errorf("the first: %s", got)
		}
		clock.Advance(2 * time.Hour)
		before := len(keystest.Leftovers(t, c))
		for range 3 * keys.MaxSecrets {
			all = append(all, s.reroll(last().ID, 0))
		}
		if n := len(keystest.Leftovers(t, c)); n > before+9 {
			t.Errorf("%d names in Redis, before %d rerolls %d", n, 3*keys.MaxSecrets, before)
		}
		if got := s.codes(all[0], last()); got != "EXPIRED VALID" {
			t.Error(got)
		}
		s.Must(s.DeleteKey(t.Context(), s.Access, last().ID, true))
		if names := keystest.Leftovers(t, c); len(names) != 0 {
			t.Errorf("left: %q", names)
		}
	})
}

// The new secret has as many random bytes as the one that it replaces, or more.
func TestRerollKeepsTheRandomness(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{SecretBytes: 64, Prefix: "sk"})
		for range 3 {
			next := s.reroll(made.ID, 0)
			if d := s.Read(next.ID); d.Key.SecretBytes != 64 || len(next.Secret.Reveal()) < 80 {
				t.Errorf("%d bytes, %d characters", d.Key.SecretBytes, len(next.Secret.Reveal()))
			}
			made = next
		}
	})
}

// A key that waits for its migration has no secret yet that another could take the place of.
func TestRerollOfAWaitingKey(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		m := newMigrating(t, c)
		plaintext, hash := seam("waiting")
		id := m.migrate(keys.PrefixedAPIKey, keys.KeyDraft{Remaining: keystest.Uses(5)}, hash)[0]
		if _, err := m.RerollKey(t.Context(), m.Access, id, store.Reroll{}); keystest.Kind(err) != keys.KindPrecondition {
			t.Fatal(err)
		}
		if got := m.code(plaintext, "from.seam"); got != verify.Valid {
			t.Fatal(got)
		}
		next, err := m.RerollKey(t.Context(), m.Access, id, store.Reroll{Grace: hour})
		m.Must(err)
		if got := []verify.Code{m.code(plaintext, ""), m.code(next.Secret.Reveal(), "")}; got[0] != verify.Valid || got[1] != verify.Valid {
			t.Error(got)
		}
	})
}

// A reroll that is repeated with its Idempotency-Key gives the same id and a fresh secret,
// and the one before ends at once; nothing else of the key changes.
func TestRepeatedReroll(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		for _, grace := range []int64{0, hour} {
			made := s.Create(keys.KeyDraft{})
			again := func(r store.Reroll) (keys.NewKey, error) { return s.RerollKey(t.Context(), s.Access, made.ID, r) }
			r := store.Reroll{Grace: grace, IdempotencyKey: "one"}
			first, err := again(r)
			s.Must(err)
			ends := s.Read(made.ID).Key.Expires
			clock.Advance(time.Minute)
			second, err := again(r)
			s.Must(err)
			if second.ID != first.ID || second.Secret == first.Secret || s.Read(made.ID).Key.Expires != ends {
				t.Errorf("grace %d: the repeat gave %s after %s", grace, second.ID, first.ID)
			}
			if got := s.codes(first, second); got != "NOT_FOUND VALID" {
				t.Errorf("grace %d: %s", grace, got)
			}
			if got := s.Pages(store.KeyQuery{Limit: 10}, true); !slices.Contains(got, made.ID) || !slices.Contains(got, first.ID) || len(slices.Compact(got)) != len(got) {
				t.Errorf("listed: %q", got)
			}
			if _, err := again(store.Reroll{Grace: grace + 1, IdempotencyKey: "one"}); keystest.Kind(err) != keys.KindConflict {
				t.Errorf("another expiration: %v", err)
			}
			stranger := (&keys.Caller{WorkspaceID: s.Access.WorkspaceID, KeyID: "key_other", Grants: []string{"*"}}).As()
			other, err := s.RerollKey(t.Context(), stranger, second.ID, r)
			s.Must(err)
			if other.ID == second.ID {
				t.Error("another root key's repeat of another key's reroll")
			}
			clock.Advance(24 * time.Hour)
			if grace == 0 {
				if _, err := again(r); keystest.Kind(err) != keys.KindPrecondition {
					t.Errorf("a day later: %v", err)
				}
			}
		}
		for _, bad := range []string{strings.Repeat("a", keys.MaxIdempotencyKey+1), "a\nb", "é", "\x7f"} {
			if _, err := s.RerollKey(t.Context(), s.Access, "key_unknown", store.Reroll{IdempotencyKey: bad}); keystest.Kind(err) != keys.KindInvalid {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// Repeats at the same time agree on the id, and leave one secret of it that verifies.
func TestRepeatedRerollAtOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{})
		var mu sync.Mutex
		var all []keys.NewKey
		var asking sync.WaitGroup
		for range 8 {
			asking.Go(func() {
				next, err := s.RerollKey(t.Context(), s.Access, made.ID, store.Reroll{Grace: hour, IdempotencyKey: "one"})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, next)
			})
		}
		asking.Wait()
		if n := strings.Count(s.codes(all...), "VALID"); n != 1 {
			t.Errorf("%d secrets verify", n)
		}
		for _, one := range all {
			if one.ID != all[0].ID {
				t.Errorf("ids %s and %s", one.ID, all[0].ID)
			}
		}
		s.Must(s.DeleteKey(t.Context(), s.Access, all[0].ID, true))
		if names := keystest.Leftovers(t, c); len(names) != 0 {
			t.Errorf("left: %q", names)
		}
	})
}

// Wherever a gateway dies in a reroll, what verifies can be listed, read and revoked, the
// reroll can be made once more, and when the API is deleted nothing is left.
func TestDeathInAReroll(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		redistest.FailOverNow(c)
		s := newWorld(t, c, "w")
		for _, idempotencyKey := range []string{"", "one"} {
			api, err := s.CreateAPI(t.Context(), s.Access, "doomed")
			s.Must(err)
			s.APIID = api.ID
			for steps := 0; ; steps++ {
				old := s.Create(keys.KeyDraft{Remaining: keystest.Uses(9)})
				r := store.Reroll{Grace: hour, IdempotencyKey: idempotencyKey}
				if idempotencyKey != "" {
					_, err := s.RerollKey(t.Context(), s.Access, old.ID, r)
					s.Must(err)
				}
				dying := store.Open(redistest.Steps(t, c, func(step int) error {
					if step >= steps {
						return errKilled
					}
					return nil
				}), store.Options{Timeout: 10 * time.Second})
				_, err := dying.RerollKey(t.Context(), s.Access, old.ID, r)
				again, e := s.RerollKey(t.Context(), s.Access, old.ID, r)
				s.Must(e)
				listed := s.Pages(store.KeyQuery{Limit: 100}, true)
				for _, id := range listed {
					s.Read(id)
				}
				if got := s.codes(old, again); got != "VALID VALID" || !slices.Contains(listed, again.ID) {
					t.Errorf("dead after %d steps: %s, listed %q", steps, got, listed)
				}
				s.Must(s.DeleteKey(t.Context(), s.Access, old.ID, steps%2 == 0))
				if steps%2 == 0 {
					s.deleteDying(c, again.ID, steps)
				}
				if err == nil {
					break
				}
			}
			s.Must(s.DeleteAPI(t.Context(), s.Access, s.APIID))
			s.SweepUp()
			if names := keystest.Leftovers(t, c); len(names) != 0 {
				t.Errorf("left: %q", names)
			}
		}
	})
}

// deleteDying deletes a key through a gateway that dies after some steps.
func (s *world) deleteDying(c redis.UniversalClient, id string, steps int) {
	dying := store.Open(redistest.Steps(s.TB, c, func(step int) error {
		if step >= steps {
			return errKilled
		}
		return nil
	}), store.Options{Timeout: 10 * time.Second})
	_ = dying.DeleteKey(s.TB.Context(), s.Access, id, true)
}

// All keys of an API are deleted with all their secrets, whichever of them a page has.
func TestDeleteRerolledKeys(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		for _, permanent := range []bool{false, true} {
			s := newWorld(t, c, fmt.Sprint("w", permanent))
			var all []keys.NewKey
			for i := range 20 {
				one := s.Create(keys.KeyDraft{ExternalID: "someone"})
				all = append(all, one)
				for range i % 4 {
					one = s.reroll(one.ID, hour)
					all = append(all, one)
				}
			}
			s.Must(s.DeleteKey(t.Context(), s.Access, all[1].ID, permanent))
			n, err := s.DeleteKeys(t.Context(), s.Access, s.APIID, permanent)
			s.Must(err)
			if want := int64(len(all) - 1); n != want {
				t.Errorf("%d deleted, want %d", n, want)
			}
			if got := s.codes(all...); strings.Contains(got, "VALID") {
				t.Error(got)
			}
			for _, one := range all {
				_, err := s.ImportKeys(t.Context(), s.Access, []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: s.APIID}, Secret: one.Secret}})
				if taken := keystest.Kind(err) == keys.KindConflict; taken == permanent {
					t.Errorf("permanent %v: the digest of %s: %v", permanent, one.ID, err)
				}
				if !permanent {
					s.Must(s.DeleteKey(t.Context(), s.Access, one.ID, true))
				}
			}
			_, err = s.DeleteKeys(t.Context(), s.Access, s.APIID, true)
			s.Must(err)
			if names := keystest.Leftovers(t, c); len(names) != 0 {
				t.Errorf("left: %q", names)
			}
		}
	})
}

// A secret that was soft-deleted keeps its digest taken, and can be deleted for good
// afterwards, whichever secret of its key it is and whether that is deleted before.
func TestDeletedSecretStaysTaken(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		free := func(secret keys.Secret) bool {
			ids, err := s.ImportKeys(t.Context(), s.Access, []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: s.APIID}, Secret: secret}})
			if err == nil {
				s.Must(s.DeleteKey(t.Context(), s.Access, ids[0], true))
			} else if keystest.Kind(err) != keys.KindConflict {
				t.Fatal(err)
			}
			return err == nil
		}
		for _, nth := range []int{0, 1} {
			for _, wholeFirst := range []bool{false, true} {
				first := s.Create(keys.KeyDraft{})
				all := []keys.NewKey{first, s.reroll(first.ID, hour)}
				last := s.reroll(all[1].ID, hour)
				s.Must(s.DeleteKey(t.Context(), s.Access, all[nth].ID, false))
				if free(all[nth].Secret) {
					t.Errorf("secret %d: its digest is free", nth)
				}
				if wholeFirst {
					s.Must(s.DeleteKey(t.Context(), s.Access, last.ID, false))
				}
				s.Must(s.DeleteKey(t.Context(), s.Access, all[nth].ID, true))
				if err := s.DeleteKey(t.Context(), s.Access, all[nth].ID, true); keystest.Kind(err) != keys.KindNotFound {
					t.Errorf("secret %d: deleted for good twice: %v", nth, err)
				}
				if !wholeFirst {
					s.Must(s.DeleteKey(t.Context(), s.Access, last.ID, false))
				}
				if !free(all[nth].Secret) || free(all[1-nth].Secret) || free(last.Secret) {
					t.Errorf("secret %d, its key first %v: deleted for good: wrong digests are taken", nth, wholeFirst)
				}
				s.Must(s.DeleteKey(t.Context(), s.Access, all[1-nth].ID, true))
				s.Must(s.DeleteKey(t.Context(), s.Access, last.ID, true))
				if names := keystest.Leftovers(t, c); len(names) != 0 {
					t.Errorf("secret %d, its key first %v: left: %q", nth, wholeFirst, names)
				}
			}
		}
	})
}

// A rerolled key is exported and imported with each of its secrets, and what is left of it.
func TestTransferOfARerolledKey(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		first := s.Create(keys.KeyDraft{Remaining: keystest.Uses(5), ExternalID: "someone"})
		second := s.reroll(first.ID, hour)
		third := s.reroll(second.ID, hour)
		s.Must(s.DeleteKey(t.Context(), s.Access, first.ID, true))
		other := s.Create(keys.KeyDraft{})
		next := s.reroll(other.ID, 0)
		lines := s.Export()
		to := newWorld(t, redistest.Start(t).Client(), "elsewhere")
		s.Must(keystest.Transfer(to.Store).EnsureWorkspaceID(t.Context(), "w", s.Access.WorkspaceID))
		copied := &world{World: s.OnStore(to.Store)}
		for range 2 {
			copied.ImportAll(lines)
		}
		for _, x := range []*world{s, copied} {
			if got := x.codes(first, second, third, other, next); got != "NOT_FOUND VALID VALID EXPIRED VALID" {
				t.Error(got)
			}
			if got := x.Pages(store.KeyQuery{Limit: 100}, true); len(got) != 4 {
				t.Errorf("listed %q", got)
			}
			o, err := verify.New(x.Store, verify.Options{}).Verify(t.Context(), &verify.Request{Secret: third.Secret, Cost: 1})
			s.Must(err)
			if left := x.Read(second.ID).State.Balance; *o.Remaining != 4 || left != 4 {
				t.Errorf("%d and %d left", *o.Remaining, left)
			}
		}
		stranger := newWorld(t, redistest.Start(t).Client(), "stranger")
		s.Must(keystest.Transfer(stranger.Store).EnsureWorkspaceID(t.Context(), "w", s.Access.WorkspaceID))
		if _, err := stranger.ImportKeys(t.Context(), stranger.Access, []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: stranger.APIID}, Secret: third.Secret}}); err != nil {
			t.Fatal(err)
		}
		taken := &world{World: s.OnStore(stranger.Store)}
		if done := taken.ImportAll(lines); done.Different != 1 {
			t.Errorf("with the digest of a later secret taken: %+v", done)
		}
		if got := taken.codes(second, third, next); got != "NOT_FOUND VALID VALID" {
			t.Error(got)
		}
	})
}
