package redistest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest/proc"

	"github.com/redis/go-redis/v9"
)

func TestAOFSurvivesKill(t *testing.T) {
	t.Parallel()
	s := Start(t, WithAOF("no"), WithPassword("pa ss"))
	c := s.Client(patient)
	c.Set(ctx, "k", "kept", 0)
	s.Kill()
	if err := c.Get(ctx, "k").Err(); err == nil {
		t.Fatal("a dead server answered")
	}
	s.Restart()
	await(t, "the client", func() bool { return c.Ping(ctx).Err() == nil })
	if got := c.Get(ctx, "k").Val(); got != "kept" {
		t.Fatalf("after kill -9: %q", got)
	}
	if !bytes.Contains(s.Dump(), []byte("kept")) {
		t.Fatal("the dump lacks the value")
	}
	if s.URL() != "redis://:pa%20ss@"+s.Addr() {
		t.Fatal(s.URL())
	}
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	s := Start(t)
	c := s.Client()
	c.Ping(ctx)
	s.Freeze()
	began := time.Now()
	if c.Ping(ctx).Err() == nil || time.Since(began) > 2*time.Second {
		t.Fatalf("a frozen server: answered or hung (%v)", time.Since(began))
	}
	s.Thaw()
	await(t, "the thaw", func() bool { return c.Ping(ctx).Err() == nil })
}

func TestSharedIsEmptyAndUsedAgain(t *testing.T) {
	var first string
	t.Run("one", func(t *testing.T) {
		s := Shared(t)
		first = s.Addr()
		s.Do("SET", "left", "over")
		if Shared(t).Addr() == first {
			t.Fatal("two users at once")
		}
	})
	t.Run("two", func(t *testing.T) {
		a, b := Shared(t), Shared(t)
		if a.Addr() != first && b.Addr() != first {
			t.Fatal("not used again")
		}
		if a.Do("DBSIZE").(int64)+b.Do("DBSIZE").(int64) != 0 {
			t.Fatal("not empty")
		}
	})
}

func TestEachWithClock(t *testing.T) {
	EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock Clock) {
		leap := time.Date(2028, 2, 29, 23, 59, 59, 0, time.UTC)
		clock.SetClock(leap)
		c.Set(ctx, "k", "v", time.Hour)
		in := func() time.Time {
			s := c.Eval(ctx, `return redis.call("TIME")[1]`, nil).Val().(string)
			n, _ := strconv.ParseInt(s, 10, 64)
			return time.Unix(n, 0)
		}
		if d := in().Sub(leap).Abs(); d > 2*time.Second {
			t.Fatalf("in a script it is %v", in())
		}
		clock.Advance(61 * time.Minute)
		if c.Exists(ctx, "k").Val() != 0 {
			t.Fatal("the key has not expired")
		}
		clock.Advance(-24 * time.Hour)
		if d := clock.Now().Sub(leap.Add(-23*time.Hour + time.Minute)).Abs(); d > 2*time.Second {
			t.Fatalf("stepped back to %v", clock.Now())
		}
	})
}

func TestLink(t *testing.T) {
	t.Parallel()
	s := Start(t)
	count := func() string { return s.Do("GET", "n").(string) }
	try := func(fault func(*Link)) (*Link, *redis.Client, error) {
		s.Do("SET", "n", 0)
		l := Proxy(t, s.Addr())
		c := Client(t, l.Addr())
		if err := c.Ping(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		fault(l)
		return l, c, c.Incr(ctx, "n").Err()
	}
	l, c, err := try((*Link).LoseReplies)
	if err == nil || count() != "1" {
		t.Fatalf("lost reply: %v, %s", err, count())
	}
	l.Restore()
	await(t, "the link", func() bool { return c.Ping(ctx).Err() == nil })

	l, c, err = try((*Link).CutReplies)
	if err == nil || count() != "1" {
		t.Fatalf("cut reply: %v, %s", err, count())
	}
	l.Restore()
	await(t, "the link", func() bool { return c.Ping(ctx).Err() == nil })

	if _, _, err = try(func(l *Link) { l.CutAfter(2) }); err == nil || count() != "1" {
		t.Fatalf("cut in the middle: %v, %s", err, count())
	}
	if _, _, err = try((*Link).LoseRequests); err == nil || count() != "0" {
		t.Fatalf("lost request: %v, %s", err, count())
	}
	began := time.Now()
	if _, _, err = try(func(l *Link) { l.SetLatency(50 * time.Millisecond) }); err != nil || time.Since(began) < 50*time.Millisecond {
		t.Fatalf("slow reply: %v after %v", err, time.Since(began))
	}
	l, c, err = try((*Link).Refuse)
	if err == nil || count() != "0" {
		t.Fatalf("refused: %v, %s", err, count())
	}
	l.Restore()
	await(t, "the link", func() bool { return c.Ping(ctx).Err() == nil })
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := Cluster(t, 3, 1, WithPassword("secret"))
	client := c.Client()
	set := func(v string) {
		t.Helper()
		await(t, "a write", func() bool { return client.Set(ctx, "{a}1", v, 0).Err() == nil })
	}
	get := func(want string) {
		t.Helper()
		await(t, "a read", func() bool { return client.Get(ctx, "{a}1").Val() == want })
	}
	set("one")
	if err := client.MSet(ctx, "a", 1, "b", 2).Err(); err == nil || !strings.Contains(err.Error(), "CROSSSLOT") {
		t.Fatalf("a real cluster says CROSSSLOT: %v", err)
	}
	to := c.Owner("b")
	if to == c.Owner("{a}1") {
		t.Fatal("a and b are on one node")
	}
	c.BeginMove("{a}1", to)
	c.MoveKeys(to, "{a}1")
	get("one") // by way of ASK
	c.EndMove("{a}1", to)
	get("one")
	if c.Owner("{a}1") != to || c.URL() == "" {
		t.Fatal("the slot has not moved")
	}
	if c.FailOver("{a}1") == to {
		t.Fatal("no failover")
	}
	get("one")
	dead := c.KillOwner("c")
	if c.AwaitOwner("c") == dead {
		t.Fatal("the dead node serves")
	}
	set("two")
	get("two")
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	g := Sentinel(t, WithPassword("secret"))
	c := g.Client()
	await(t, "a write", func() bool { return c.Set(ctx, "k", "v", 0).Err() == nil })
	first := g.Master()
	if g.FailOver() == first {
		t.Fatal("no failover")
	}
	await(t, "a write", func() bool { return c.Set(ctx, "k", "w", 0).Err() == nil })
	if !strings.HasPrefix(g.URL(), "redis+sentinel://:secret@127.0.0.1:") || !strings.HasSuffix(g.URL(), "/tollgate") {
		t.Fatal(g.URL())
	}
	if testing.Short() {
		return
	}
	dead := g.KillMaster()
	if g.AwaitMaster() == dead {
		t.Fatal("the dead master is still named")
	}
}

// TestKilledBinaryLeavesNothing runs this test binary again, lets it start a
// server and kills it.
func TestKilledBinaryLeavesNothing(t *testing.T) {
	if os.Getenv("REDISTEST_CHILD") != "" {
		fmt.Printf("pid %d\n", Start(t).proc.PID())
		time.Sleep(time.Minute)
		return
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledBinaryLeavesNothing$", "-test.v")
	cmd.Env = append(os.Environ(), "REDISTEST_CHILD=1", "TMPDIR="+t.TempDir())
	binary, err := proc.StartLogged(cmd, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(binary.Kill)
	pid := 0
	err = binary.AwaitReady(func() error {
		_, said, _ := strings.Cut(binary.LogTail(), "pid ")
		_, err := fmt.Sscanf(said, "%d\n", &pid)
		return err
	})
	if err != nil || proc.Gone(pid) {
		t.Fatalf("no server was started (pid %d): %v", pid, err)
	}
	binary.Kill()
	await(t, "the orphan to die", func() bool { return proc.Gone(pid) })
}
