package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// idleClusters holds the shared Clusters that no test is using. A new Cluster takes
// no writes for its first two seconds: starting one for each test is most of the
// time that tests take.
var idleClusters struct {
	sync.Mutex
	clusters []*ClusterServer
}

// sharedCluster returns an empty Cluster of three masters that lives as long as the
// test binary. A test has it alone, and must leave its slots where they are.
func sharedCluster(tb testing.TB) *ClusterServer {
	tb.Helper()
	c := takeIdleCluster()
	if c == nil {
		c = startSharedCluster(tb)
	}
	c.tb = tb
	for _, n := range c.Nodes {
		n.tb = tb
		n.Do("FLUSHALL")
		n.Do("SCRIPT", "FLUSH", "SYNC")
	}
	tb.Cleanup(func() { giveBackCluster(c) })
	return c
}

func takeIdleCluster() *ClusterServer {
	idleClusters.Lock()
	defer idleClusters.Unlock()
	n := len(idleClusters.clusters)
	if n == 0 {
		return nil
	}
	c := idleClusters.clusters[n-1]
	idleClusters.clusters = idleClusters.clusters[:n-1]
	return c
}

// giveBackCluster keeps the Cluster for the next test, unless this one broke it.
func giveBackCluster(c *ClusterServer) {
	for _, n := range c.Nodes {
		if !n.proc.running() {
			for _, n := range c.Nodes {
				n.stop()
			}
			return
		}
	}
	idleClusters.Lock()
	defer idleClusters.Unlock()
	idleClusters.clusters = append(idleClusters.clusters, c)
}

func startSharedCluster(tb testing.TB) *ClusterServer {
	tb.Helper()
	removeAbandoned()
	c := &ClusterServer{tb: tb}
	for range 3 {
		dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-*", abandonedPrefix, os.Getpid()))
		if err != nil {
			tb.Fatalf("redistest: %v", err)
		}
		n := &Server{tb: tb, dir: dir}
		WithConfig("cluster-enabled yes", fmt.Sprintf("cluster-node-timeout %d", nodeTimeout))(n)
		n.listen()
		c.Nodes = append(c.Nodes, n)
	}
	c.assign(len(c.Nodes))
	c.meet()
	c.Await()
	return c
}

// abandonedPrefix begins the names of directories that outlive their test binary: a
// node of a Cluster keeps a file in its own, and nothing runs at the end that could
// remove it. The number behind it is the process; the next binary removes what is
// left of those that ended.
const abandonedPrefix = "redistest-cluster-"

func removeAbandoned() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), abandonedPrefix+"*"))
	for _, dir := range left {
		text, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), abandonedPrefix), "-")
		pid, err := strconv.Atoi(text)
		if err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = os.RemoveAll(dir) // another binary may be at it as well
		}
	}
}
