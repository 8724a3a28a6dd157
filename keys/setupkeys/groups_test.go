package setupkeys_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"

	"github.com/redis/go-redis/v9"
)

// Groups have unique names, are listed by age behind All, and All is nobody's to
// change.
func TestGroups(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		b, a := o.group("b"), o.group("a")
		all := o.all()
		listed := func(want ...string) {
			t.Helper()
			groups, err := o.again().Groups(t.Context(), o.Access)
			o.Must(err)
			var got []string
			for _, g := range groups {
				got = append(got, g.ID+g.Name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		}
		listed(all+"All", b+"b", a+"a")
		if !xidForm.MatchString(b) || !xidForm.MatchString(all) {
			t.Errorf("ids %q, %q", b, all)
		}
		for _, name := range []string{"a", "All"} {
			_, err := o.CreateGroup(t.Context(), o.Access, name)
			o.refused(keys.KindConflict, err)
			_, err = o.RenameGroup(t.Context(), o.Access, b, name)
			o.refused(keys.KindConflict, err)
		}
		for _, name := range []string{"b", "c", "c", "all"} {
			g, err := o.RenameGroup(t.Context(), o.Access, b, name)
			if o.Must(err); g.Name != name || g.ID != b {
				t.Errorf("%+v", g)
			}
		}
		again := o.group("b")
		listed(all+"All", b+"all", a+"a", again+"b")
		for _, name := range []string{"", " ", strings.Repeat("x", 513)} {
			_, err := o.CreateGroup(t.Context(), o.Access, name)
			o.refused(keys.KindInvalid, err)
			_, err = o.RenameGroup(t.Context(), o.Access, b, name)
			o.refused(keys.KindInvalid, err)
		}
		_, err := o.RenameGroup(t.Context(), o.Access, all, "x")
		o.refused(keys.KindInvalid, err)
		o.refused(keys.KindInvalid, o.DeleteGroup(t.Context(), o.Access, all))
		o.Must(o.DeleteGroup(t.Context(), o.Access, b))
		o.refused(keys.KindNotFound, o.DeleteGroup(t.Context(), o.Access, b))
		_, err = o.RenameGroup(t.Context(), o.Access, b, "x")
		o.refused(keys.KindNotFound, err)
		o.group("all")
	})
}

// A group that a key which can be redeemed refers to stays, and that key's name is
// told; the refusal changes nothing. Held by dead keys alone it goes, and is taken
// out of them.
func TestGroupDeletion(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		g, kept := o.group("g"), o.group("kept")
		dead := map[string]*setupkeys.SetupKey{}
		for range 3 {
			k, secret := o.make(setupkeys.SetupKeyDraft{Name: "used up", Type: setupkeys.SetupOneOff, Groups: []string{g, kept, g}})
			o.enrol(secret, "peer of "+k.ID)
			dead[k.ID] = k
		}
		revoked, secret := o.make(setupkeys.SetupKeyDraft{Name: "revoked", Groups: []string{g}})
		o.enrol(secret, "p")
		o.update(revoked.ID, []string{g}, true)
		dead[revoked.ID] = revoked
		former, _ := o.make(setupkeys.SetupKeyDraft{Name: "former", Groups: []string{g}})
		o.update(former.ID, []string{kept}, false)
		gone, _ := o.make(setupkeys.SetupKeyDraft{Name: "gone", Groups: []string{g}})
		o.Must(o.DeleteSetupKey(t.Context(), o.Access, gone.ID))
		live, _ := o.make(setupkeys.SetupKeyDraft{Name: "Live", Groups: []string{kept, g}})

		if got := o.refused(keys.KindProtected, o.DeleteGroup(t.Context(), o.Access, g)); got != "group has been linked to setup key: Live" {
			t.Error(got)
		}
		for id, was := range dead {
			if got := o.get(id); !slices.Equal(got.Setup.Groups, was.Setup.Groups) {
				t.Errorf("the refusal changed %+v", got)
			}
		}
		o.update(live.ID, []string{kept}, false)
		o.Must(o.again().DeleteGroup(t.Context(), o.Access, g))
		for id := range dead {
			if got := o.get(id); slices.Contains(got.Setup.Groups, g) || strings.Contains(string(got.Meta), g) {
				t.Errorf("%+v", got)
			}
		}
		if r := o.update(revoked.ID, []string{}, false); r.State != keys.SetupValid {
			t.Errorf("%+v", r)
		}
		if r := o.enrol(secret, "p"); !slices.Equal(r.Groups, []string{g}) {
			t.Errorf("what a peer was told changed: %+v", r)
		}
		if r := o.enrol(secret, "q"); len(r.Groups) != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// Whatever is done at once to a group and to the keys that take it up, no key that
// can be redeemed ends with a group that is not there.
func TestGroupsAndKeysRace(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	went, stayed := 0, 0
	random := redistest.Rand(t)
	for round := range 300 {
		g := o.group(fmt.Sprint("g", round))
		plain, _ := o.make(setupkeys.SetupKeyDraft{})
		revoked, _ := o.make(setupkeys.SetupKeyDraft{Groups: []string{g}})
		o.update(revoked.ID, []string{g}, true)
		yes, no := true, false
		var all sync.WaitGroup
		sometimes := func(do func(*office)) {
			gateway, wait := o.again(), time.Duration(random.IntN(3000))*time.Microsecond
			if random.IntN(2) == 0 {
				all.Go(func() { time.Sleep(wait); do(gateway) })
			}
		}
		sometimes(func(o *office) {
			_, _, _ = o.CreateSetupKey(t.Context(), o.Access, setupkeys.SetupKeyDraft{Name: "n", Type: setupkeys.SetupReusable, Groups: []string{g}})
		})
		sometimes(func(o *office) {
			_, _ = o.UpdateSetupKey(t.Context(), o.Access, plain.ID, setupkeys.SetupKeyPatch{Groups: []string{g}, Revoked: &no})
		})
		sometimes(func(o *office) {
			_, _ = o.UpdateSetupKey(t.Context(), o.Access, plain.ID, setupkeys.SetupKeyPatch{Groups: []string{}, Revoked: &yes})
		})
		sometimes(func(o *office) {
			_, _ = o.UpdateSetupKey(t.Context(), o.Access, revoked.ID, setupkeys.SetupKeyPatch{Groups: []string{g}, Revoked: &no})
		})
		all.Go(func() { _ = o.again().DeleteGroup(t.Context(), o.Access, g) })
		sometimes(func(o *office) { _ = o.DeleteGroup(t.Context(), o.Access, g) })
		all.Wait()
		if o.consistent(); o.has(g) {
			stayed++
		} else {
			went++
		}
	}
	if went == 0 || stayed == 0 {
		t.Errorf("the race was one-sided: %d went, %d stayed", went, stayed)
	}
}

func (o *office) has(group string) bool {
	_, err := o.Group(o.TB.Context(), o.Access, group)
	return err == nil
}

// consistent checks that every group of a key that can be redeemed is there.
func (o *office) consistent() {
	o.TB.Helper()
	list, err := o.SetupKeys(o.TB.Context(), o.Access)
	o.Must(err)
	for _, k := range list {
		for _, g := range k.Setup.Groups {
			if k.State == keys.SetupValid && !o.has(g) {
				o.TB.Fatalf("%s key %s refers to group %s, which is not there", k.State, k.ID, g)
			}
		}
	}
}
