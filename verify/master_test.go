package verify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"
)

// dialled is a gateway with the client and the time limits of the program.
func dialled(t *testing.T, addr string) keystest.Gateway {
	t.Helper()
	client, err := redisdb.Dial("redis://"+addr, redisdb.Options{NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return impatientGateway(client, 0)
}

// follow makes a server a replica of an address and waits until it has everything.
func follow(t *testing.T, replica *redistest.Server, master *redistest.Server, at string) {
	t.Helper()
	host, port, _ := strings.Cut(at, ":")
	replica.Do("REPLICAOF", host, port)
	master.Do("SET", "mark", t.Name())
	for began := time.Now(); replica.Do("GET", "mark") != t.Name(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("the replica does not follow")
		}
	}
}

// wantReplica has a master want one replica, and waits until it counts the one that follows: it
// does so once that has acknowledged something, and looks every second.
func wantReplica(t *testing.T, master *redistest.Server) {
	t.Helper()
	master.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if info, _ := master.Do("INFO", "replication").(string); strings.Contains(info, "min_slaves_good_slaves:1") {
			return
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("the master does not count its replica")
		}
	}
}

// undecided checks that verifications of known and unknown keys are undecided.
func undecided(t *testing.T, g keystest.Gateway, what string, want error, secrets ...keys.Secret) {
	t.Helper()
	for _, secret := range append(secrets, keys.NewSecret("nobody has this one")) {
		for range 20 {
			o, err := g.Verify(t.Context(), &verify.Request{Secret: secret, Cost: verify.Free})
			if o != nil || keys.AsError(err).Kind != keys.KindUnavailable || !errors.Is(err, want) {
				t.Fatalf("%s: %+v, %v", what, o, err)
			}
		}
	}
}

// A replica answers nothing, neither while it follows its master nor when it can't:
// what was revoked meanwhile is VALID there, and what was created not found.
func TestReplicaIsNotBelieved(t *testing.T) {
	master, replica := redistest.Start(t), redistest.Start(t)
	w := newWorld(t, master.Client())
	made := w.Create(keys.KeyDraft{})
	follow(t, replica, master, master.Addr())
	g := dialled(t, replica.Addr())
	undecided(t, g, "a replica", redisdb.ErrReplica, made.Secret)
	master.Kill()
	undecided(t, g, "a replica without its master", redisdb.ErrReplica, made.Secret)
	if err := g.Ping(t.Context()); !errors.Is(err, redisdb.ErrReplica) {
		t.Errorf("the store is ready: %v", err)
	}
	replica.Do("REPLICAOF", "NO", "ONE")
	if o, err := g.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: verify.Free}); err != nil || o.Code != verify.Valid {
		t.Errorf("promoted: %+v %v", o, err)
	}
}

// A master that is made a replica under load is not believed for more than a second,
// and neither in refusals.
func TestDemotedMasterIsNotBelieved(t *testing.T) {
	old, next := redistest.Start(t), redistest.Start(t)
	w := newWorld(t, old.Client())
	made := w.Create(keys.KeyDraft{})
	follow(t, next, old, old.Addr())
	g := dialled(t, old.Addr())
	var demoted atomic.Pointer[time.Time]
	var before, late atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			secret := made.Secret
			if i%2 == 1 {
				secret = keys.NewSecret("nobody has this one")
			}
			for ctx.Err() == nil {
				_, err := g.Verify(ctx, &verify.Request{Secret: secret, Cost: verify.Free})
				at := demoted.Load()
				switch {
				case err == nil && at == nil:
					before.Add(1)
				case err == nil && time.Since(*at) > time.Second:
					late.Add(1)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	next.Do("REPLICAOF", "NO", "ONE")
	host, port, _ := strings.Cut(next.Addr(), ":")
	old.Do("REPLICAOF", host, port)
	now := time.Now()
	demoted.Store(&now)
	time.Sleep(2 * time.Second)
	cancel()
	all.Wait()
	if before.Load() == 0 || late.Load() > 0 {
		t.Errorf("%d answers while it was the master, %d more than a second later", before.Load(), late.Load())
	}
}

// Of one pool's connections, of which some end at the master and others at a replica that
// has missed a revocation, none says VALID.
func TestServersBehindOneAddress(t *testing.T) {
	master, replica := redistest.Start(t), redistest.Start(t)
	w := newWorld(t, master.Client())
	made := w.Create(keys.KeyDraft{})
	follow(t, replica, master, master.Addr())
	replica.Do("REPLICAOF", "127.0.0.1", "1")
	w.Must(w.UpdateKey(t.Context(), w.Access, made.ID, keys.KeyPatch{Disabled: keys.To(true)}))
	var answers, errs atomic.Int64
	for range 3 {
		g := dialled(t, redistest.Forward(t, master.Addr(), replica.Addr()).Addr())
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 10 {
					switch o, err := g.Verify(context.Background(), &verify.Request{Secret: made.Secret, Cost: verify.Free}); {
					case err != nil:
						errs.Add(1)
					case o.Code == verify.Valid:
						t.Error("a replica that missed a revocation said VALID")
					default:
						answers.Add(1)
					}
				}
			})
		}
		all.Wait()
	}
	if answers.Load() == 0 || errs.Load() == 0 {
		t.Errorf("%d answers, %d errors: not both servers were asked", answers.Load(), errs.Load())
	}
}

// A master that a partition cuts off from the replica that min-replicas-to-write asks
// for, which takes over, says VALID of a key that was revoked there for
// min-replicas-max-lag and a second at most. It knows by itself that one replica is
// wanted; how many and since when, from SetReplicaRule.
func TestCutOffMasterIsNotBelieved(t *testing.T) {
	const maxLag = 2
	master := redistest.Start(t, redistest.WithConfig("min-replicas-to-write 0", fmt.Sprintf("min-replicas-max-lag %d", maxLag)))
	replica := redistest.Start(t)
	w := newWorld(t, master.Client())
	made := w.Create(keys.KeyDraft{})
	network := redistest.Forward(t, master.Addr())
	follow(t, replica, master, network.Addr())
	wantReplica(t, master)
	client, err := redisdb.Dial("redis://"+master.Addr(), redisdb.Options{NoDurableWrites: true})
	w.Must(err)
	defer client.Close()
	w.Must(redisdb.SetReplicaRule(t.Context(), client, 1, maxLag))
	g := impatientGateway(client, 0)
	if o, err := g.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: verify.Free}); err != nil || o.Code != verify.Valid {
		t.Fatalf("before: %+v %v", o, err)
	}
	network.Silence()
	cut := time.Now()
	replica.Do("REPLICAOF", "NO", "ONE")
	other := keystest.NewGateway(replica.Client())
	w.Must(other.DeleteKey(t.Context(), w.Access, made.ID, false))
	var last time.Duration
	for time.Since(cut) < (maxLag+3)*time.Second {
		if _, err := g.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: verify.Free}); err == nil {
			last = time.Since(cut)
		} else if keys.AsError(err).Kind != keys.KindUnavailable {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Logf("the last answer came %s after the partition began", last.Round(time.Millisecond))
	if last == 0 || last > (maxLag+1)*time.Second+100*time.Millisecond {
		t.Errorf("the last answer came %s after the partition began", last)
	}
	undecided(t, g, "a master that is cut off", redisdb.ErrCutOff, made.Secret)
}
