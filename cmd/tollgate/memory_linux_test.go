package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"tollgate/keys/redisdb/redistest/proc"
)

// process is `tollgate serve --dev` in a process of its own.
type process struct {
	*proc.Process
	t    *testing.T
	addr string
	root string
}

func startProcess(t *testing.T, flags ...string) *process {
	t.Helper()
	p := &process{t: t, addr: freeAddr(t), root: "a-root-key-of-the-operator"}
	program := exec.Command(must(os.Executable()))
	program.Args = append([]string{"tollgate", "serve", "--dev", "--addr", p.addr, "--root-key", p.root, "--redis-timeout", "5s"}, flags...)
	p.Process = must(proc.StartLogged(program, filepath.Join(t.TempDir(), "log")))
	t.Cleanup(p.Kill)
	err := p.AwaitReady(func() error {
		res, err := http.Get("http://" + p.addr + "/readyz")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// resident is the memory of the process, in MiB.
func (p *process) resident() int {
	p.t.Helper()
	for line := range strings.Lines(string(must(os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))))) {
		if fields := strings.Fields(line); fields[0] == "VmRSS:" {
			return must(strconv.Atoi(fields[1])) >> 10
		}
	}
	p.t.Fatal("its status does not say")
	return 0
}

// hold opens connections, sends each the beginning of a request, and keeps those that
// are not answered.
func (p *process) hold(n int, request []byte) (held []net.Conn) {
	p.t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range n / 50 {
				c, err := net.Dial("tcp", p.addr)
				if err != nil {
					continue
				}
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				_, _ = c.Write(request)
				mu.Lock()
				held = append(held, c)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return held
}

// 2,000 connections, each one byte short of a body of 1 MiB, take no more memory than the
// budget and what the program takes anyway, whether they have a root key or not. An honest
// client is served meanwhile, and afterwards the memory goes back to the system.
func TestUnfinishedBodiesTakeBoundedMemory(t *testing.T) {
	const budget, margin, connections = 64, 96, 2000
	p := startProcess(t, "--max-request-memory", strconv.Itoa(budget), "--read-timeout", "8s")
	before := p.resident()
	body := bytes.Repeat([]byte(" "), 1<<20-1)
	for name, credential := range map[string]string{"strangers": "", "a wrong root key": "Authorization: Bearer somebody-elses-root-key\r\n", "a good root key": "Authorization: Bearer " + p.root + "\r\n"} {
		head := fmt.Sprintf("POST /v1/keys.createKey HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n", credential, len(body)+1)
		held := p.hold(connections, append([]byte(head), body...))
		got := p.resident()
		t.Logf("%s: %d MiB, it was %d before", name, got, before)
		if got > before+budget+margin {
			t.Errorf("%s: more than the budget and %d MiB", name, margin)
		}
		for range 20 {
			began := time.Now()
			res, err := http.Post("http://"+p.addr+"/v1/keys.verifyKey", "application/json", strings.NewReader(`{"key":"nobody_has_this_one"}`))
			if err != nil {
				t.Fatalf("%s: an honest client: %v", name, err)
			}
			answer := must(io.ReadAll(res.Body))
			if res.Body.Close(); res.StatusCode != http.StatusOK || time.Since(began) > 5*time.Second {
				t.Errorf("%s: an honest client: %s after %v: %s", name, res.Status, time.Since(began), answer)
			}
		}
		for _, c := range held {
			c.Close()
		}
	}
	after := 0
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(200 * time.Millisecond) {
		if after = p.resident(); after < before+budget/2 {
			t.Logf("%d MiB after %v", after, time.Since(began))
			return
		}
	}
	t.Errorf("%d MiB afterwards, it was %d before", after, before)
}
