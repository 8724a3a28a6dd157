package bench

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkListMemory lists keys with 64 KiB of metadata each, 6.4 MB a page, and reports the
// most memory that the gateway has taken for it, in MiB: with 8 callers who read, and with 100
// connections besides that ask and read nothing. --max-request-memory bounds the latter.
func BenchmarkListMemory(b *testing.B) {
	side, err := world(b).Another()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = side.Stop() })
	_, _, list, err := tenants(side)
	if err != nil {
		b.Fatal(err)
	}
	pid := side.Gateways[0].PID()
	b.Run("read", func(b *testing.B) { listed(b, list(0), pid) })
	b.Run("unread", func(b *testing.B) {
		for range 100 {
			c, err := net.Dial("tcp", side.Addr())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			one := list(0)
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				strings.TrimPrefix(one.url, "http://"+side.Addr()), one.rootKey, len(one.body), one.body)
		}
		listed(b, list(0), pid)
	})
}

// listed sends b.N lists from 8 callers.
func listed(b *testing.B, list asking, pid int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	before := peak(b, pid)
	work := make(chan struct{})
	var group sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for range 8 {
		group.Go(func() {
			for range work {
				if err := list.send(client); err != nil {
					mu.Lock()
					failed++
					mu.Unlock()
				}
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	group.Wait()
	b.ReportMetric(float64(before), "before-MiB")
	b.ReportMetric(float64(peak(b, pid)), "peak-MiB")
	b.ReportMetric(float64(failed), "failed")
}

// peak is the most memory that a process has had, in MiB, and since the last call on a
// system where that can be told.
func peak(b *testing.B, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("this system does not say how much memory a process has had: ", err)
	}
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[0] == "VmHWM:" {
			kib, _ := strconv.Atoi(fields[1])
			return kib >> 10
		}
	}
	b.Fatal("its status does not say")
	return 0
}
