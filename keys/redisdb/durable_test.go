package redisdb_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

// durable opens a store as a program does that must lose nothing.
func durable(t *testing.T, url string, timeout time.Duration) (*keystest.World, *waits) {
	t.Helper()
	client, err := redisdb.Dial(url, redisdb.Options{Timeout: timeout, NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	w := &waits{}
	redisdb.DurableWrites(client, w.add)
	s := keystest.New(t, client, "w")
	s.Store = store.Open(client, store.Options{Timeout: timeout})
	return s, w
}

type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) add(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
}

// writing makes writes until the test ends, so that there are fsyncs.
func writing(t *testing.T, server *redistest.Server) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	client := server.Client()
	go func() {
		defer close(over)
		for n := 0; ctx.Err() == nil; n++ {
			client.Incr(ctx, "other"+strconv.Itoa(n%16)) // on a Cluster some are another node's
			time.Sleep(time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-over })
}

// A write is acknowledged no sooner than Redis has written its append-only file; a
// read does not wait. What does not come in time may have happened.
func TestDurableWritesWait(t *testing.T) {
	server := redistest.Start(t, redistest.WithAOF("everysec"))
	s, waited := durable(t, server.URL(), 10*time.Second)
	impatient, _ := durable(t, server.URL(), 250*time.Millisecond)
	made := s.Create(keys.KeyDraft{Remaining: keystest.Uses(10)})
	writing(t, server)
	release := server.HoldFsync()

	acknowledged := make(chan error)
	go func() {
		_, err := s.CreateKey(context.Background(), s.Access, keys.KeyDraft{APIID: s.APIID})
		acknowledged <- err
	}()
	begun := time.Now()
	if left := s.Read(made.ID).State.Balance; left != 10 || time.Since(begun) > time.Second {
		t.Errorf("a read waits: %v, %d left", time.Since(begun), left)
	}
	_, _, err := impatient.UpdateCredits(t.Context(), impatient.Access, made.ID, store.DecrementCredits, keystest.Uses(1))
	if keystest.Kind(err) != keys.KindUnavailable || redisdb.NotRun(err) {
		t.Errorf("a change that nobody knows to be kept: %v", err)
	}
	select {
	case err := <-acknowledged:
		t.Fatalf("acknowledged before it was written: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	release()
	if err := <-acknowledged; err != nil {
		t.Error(err)
	}
	if left := s.Read(made.ID).State.Balance; left != 9 || len(waited.all) == 0 {
		t.Errorf("%d left after %d waits", left, len(waited.all))
	}
}

// A server that comes back after a crash has not written what its predecessor acknowledged.
func TestDurableWritesRestarted(t *testing.T) {
	server := redistest.Start(t, redistest.WithAOF("everysec"))
	s, _ := durable(t, server.URL(), 10*time.Second)
	s.Create(keys.KeyDraft{})
	writing(t, server)
	release := server.HoldFsync()
	failed := make(chan error)
	go func() {
		_, err := s.CreateKey(context.Background(), s.Access, keys.KeyDraft{APIID: s.APIID, Name: "lost"})
		failed <- err
	}()
	time.Sleep(50 * time.Millisecond)
	server.KillHeld(release)
	server.Restart()
	if err := <-failed; keystest.Kind(err) != keys.KindUnavailable {
		t.Errorf("acknowledged: %v", err)
	}
	s.Create(keys.KeyDraft{})
}

// On a Cluster it is the node that was written to that is asked.
func TestDurableWritesCluster(t *testing.T) {
	cluster := redistest.Cluster(t, 3, 0)
	for _, node := range cluster.Nodes {
		node.Do("CONFIG", "SET", "appendonly", "yes")
	}
	s, waited := durable(t, cluster.URL(), 250*time.Millisecond)
	for _, node := range cluster.Nodes {
		writing(t, node)
	}
	var releases []func()
	for _, node := range cluster.Nodes {
		releases = append(releases, node.HoldFsync())
	}
	_, err := s.CreateKey(t.Context(), s.Access, keys.KeyDraft{APIID: s.APIID})
	if keystest.Kind(err) != keys.KindUnavailable || len(waited.all) == 0 {
		t.Errorf("acknowledged before it was written: %v", err)
	}
	for _, release := range releases {
		release()
	}
	s.Create(keys.KeyDraft{})
}

// Where there is nothing to wait for, since Redis keeps no file, it is hardly asked and
// nothing fails. A file that is switched on is noticed.
func TestDurableWritesNothingToWaitFor(t *testing.T) {
	server := redistest.Start(t)
	s, waited := durable(t, server.URL(), 10*time.Second)
	server.Do("CONFIG", "RESETSTAT")
	begun := time.Now()
	for range 200 {
		s.Create(keys.KeyDraft{})
	}
	if asked, most := calls(server, "info"), 2+int(time.Since(begun)/time.Second); asked > most || len(waited.all) > 0 {
		t.Errorf("asked %d times, at most %d", asked, most)
	}
	server.Do("CONFIG", "SET", "appendonly", "yes")
	for begun := time.Now(); ; s.Create(keys.KeyDraft{}) {
		before := calls(server, "info")
		s.Create(keys.KeyDraft{})
		if s.Create(keys.KeyDraft{}); calls(server, "info") >= before+4 { // every round trip that writes, and calls itself
			return
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatal("the file is not noticed")
		}
	}
}

// calls tells how often a command was run.
func calls(server *redistest.Server, command string) int {
	_, line, _ := strings.Cut(server.Do("INFO", "commandstats").(string), "cmdstat_"+command+":calls=")
	digits, _, _ := strings.Cut(line, ",")
	n, _ := strconv.Atoi(digits)
	return n
}

// Saying the same again, after an answer that nobody knows, is acknowledged when it is
// written and no sooner, although nothing is changed.
func TestDurableWritesOfTheSame(t *testing.T) {
	server := redistest.Start(t, redistest.WithAOF("everysec"))
	s, _ := durable(t, server.URL(), 10*time.Second)
	impatient, _ := durable(t, server.URL(), 250*time.Millisecond)
	reader := catalog.Called("reader")
	set := func() error {
		_, err := impatient.SetRolePermissions(t.Context(), s.Access, reader, keys.Named([]string{"read"}, catalog.Create))
		return err
	}
	_, err := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "reader", Permissions: keys.Named([]string{"read", "write"}, catalog.Create)})
	s.Must(err)
	writing(t, server)
	release := server.HoldFsync()
	for range 2 {
		if err := set(); keystest.Kind(err) != keys.KindUnavailable {
			t.Errorf("acknowledged before it was written: %v", err)
		}
	}
	release()
	s.Must(set())
}

// A write that was made, and for which the wait fails, is unknown: never one that certainly
// has not run.
func TestDurableWritesLostWait(t *testing.T) {
	server := redistest.Start(t, redistest.WithAOF("everysec"), redistest.WithConfig("lua-time-limit 20"))
	s, _ := durable(t, server.URL(), 10*time.Second)
	made := s.Create(keys.KeyDraft{Remaining: keystest.Uses(10)})
	writing(t, server)
	release := server.HoldFsync()
	failed := make(chan error)
	go func() {
		_, _, err := s.UpdateCredits(context.Background(), s.Access, made.ID, store.DecrementCredits, keystest.Uses(1))
		failed <- err
	}()
	time.Sleep(50 * time.Millisecond)
	other := server.Client()
	go other.Eval(context.Background(), "local t = redis.call('TIME') local e = t[1] * 1000 + t[2] / 1000 + 400 repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > e", nil)
	err := <-failed
	release()
	time.Sleep(500 * time.Millisecond)
	if left := s.Read(made.ID).State.Balance; left != 9 || keystest.Kind(err) != keys.KindUnavailable || redisdb.NotRun(err) {
		t.Errorf("%d left after %v", left, err)
	}
}

// A transaction is answered as without the wait.
func TestDurableWritesTransaction(t *testing.T) {
	c := redistest.Start(t, redistest.WithAOF("everysec")).Client()
	redisdb.DurableWrites(c, nil)
	got, err := c.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Set(t.Context(), "a", "1", 0)
		p.Incr(t.Context(), "a")
		return nil
	})
	if err != nil || len(got) != 2 || c.Get(t.Context(), "a").Val() != "2" {
		t.Errorf("%v, %v", got, err)
	}
}
