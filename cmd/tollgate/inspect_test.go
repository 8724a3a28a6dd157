package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
)

// inspected looks at a Redis as the program does when it starts, and gives what it
// logs.
func inspected(t *testing.T, url string) (string, error) {
	t.Helper()
	client, err := redisdb.Dial(url, redisdb.Options{NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var log bytes.Buffer
	_, err = inspect(t.Context(), client, true, slog.New(slog.NewTextHandler(&log, nil)))
	return log.String(), err
}

// A Redis that may drop keys is refused, one that forgets them is warned of, and the
// log says what each setting buys.
func TestInspect(t *testing.T) {
	for name, row := range map[string]struct {
		option redistest.Option
		says   string
	}{
		"nothing kept": {redistest.WithConfig("appendonly no"), "level=WARN msg=\"Redis keeps nothing across a restart"},
		"snapshots":    {redistest.WithConfig("save 3600 1"), "level=WARN msg=\"Redis keeps snapshots alone"},
		"always":       {redistest.WithAOF("always"), "appendfsync=always \"a crash of its machine\"=\"loses nothing\""},
		"everysec":     {redistest.WithAOF("everysec"), "\"can lose the last second\" \"a crash of Redis alone\"=\"loses nothing\""},
		"no fsync":     {redistest.WithAOF("no"), "can lose what the kernel had not written yet"},
		"failover":     {redistest.WithAOF("always"), "min-replicas-to-write=0"},
		"no CONFIG":    {redistest.WithConfig(`rename-command CONFIG ""`), "not allow CONFIG GET"},
		"forbidden":    {redistest.WithConfig("user default on nopass ~* &* +@all -config"), "not allow CONFIG GET"},
	} {
		t.Run(name, func(t *testing.T) {
			said, err := inspected(t, "redis://"+redistest.Start(t, row.option).Addr()) // as the default user
			if err != nil || !strings.Contains(said, row.says) {
				t.Errorf("%v, said %s", err, said)
			}
		})
	}
	for _, policy := range []string{"allkeys-lru", "volatile-ttl", "allkeys-random"} {
		_, err := inspected(t, redistest.Start(t, redistest.WithConfig("maxmemory-policy "+policy)).URL())
		if !errors.As(err, &usageError{}) || !strings.Contains(err.Error(), policy) {
			t.Errorf("%s is taken: %v", policy, err)
		}
	}
	limited := redistest.Start(t, redistest.WithAOF("everysec"), redistest.WithConfig("user limited on >secret ~* &* +@all -info"))
	if _, err := inspected(t, "redis://limited:secret@"+limited.Addr()); !errors.As(err, &usageError{}) || !strings.Contains(err.Error(), "INFO") {
		t.Errorf("no INFO: %v", err)
	}
	gone := redistest.Start(t)
	gone.Kill()
	if _, err := inspected(t, gone.URL()); err == nil || keys.AsError(err).Kind != keys.KindUnavailable {
		t.Errorf("no Redis: %v", err)
	}
}

// A replica is refused, whether it follows its master or not. A master is warned of that
// goes on for long when it is cut off from the replicas it wants.
func TestInspectReplicas(t *testing.T) {
	master, replica := redistest.Start(t), redistest.Start(t)
	host, port, _ := strings.Cut(master.Addr(), ":")
	replica.Do("REPLICAOF", host, port)
	for range 2 {
		if _, err := inspected(t, replica.URL()); !errors.As(err, &usageError{}) || !strings.Contains(err.Error(), "replica") {
			t.Errorf("a replica is taken: %v", err)
		}
		for began := time.Now(); !strings.Contains(master.Do("INFO", "replication").(string), "state=online"); time.Sleep(20 * time.Millisecond) {
			if time.Since(began) > 20*time.Second {
				t.Fatal("the replica does not follow")
			}
		}
	}
	master.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	if said, err := inspected(t, master.URL()); err != nil || !strings.Contains(said, "level=WARN msg=\"a master that is cut off") {
		t.Errorf("a lag of 10 seconds: %v, said %s", err, said)
	}
	master.Do("CONFIG", "SET", "min-replicas-max-lag", "2")
	if said, err := inspected(t, master.URL()); err != nil || strings.Contains(said, "cut off") {
		t.Errorf("a lag of 2 seconds: %v, said %s", err, said)
	}
}

// Of a Cluster every master is looked at.
func TestInspectCluster(t *testing.T) {
	cluster := redistest.Cluster(t, 3, 0)
	said, err := inspected(t, cluster.URL())
	if err != nil || strings.Count(said, "keeps nothing across a restart") != 3 {
		t.Errorf("%v, said %s", err, said)
	}
	for _, node := range cluster.Nodes {
		node.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
		if _, err := inspected(t, cluster.URL()); !errors.As(err, &usageError{}) {
			t.Errorf("one master may drop keys: %v", err)
		}
		node.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	}
}
