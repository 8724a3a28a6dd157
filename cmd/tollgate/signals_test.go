package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"tollgate/keys/redisdb/redistest/proc"
)

// SIGHUP reloads and ends nothing, again and again, and so with a log that
// nobody reads any more: the process serves on, and SIGTERM still drains it.
func TestSignalsThatEndNothing(t *testing.T) {
	addr := freeAddr(t)
	program := exec.Command(must(os.Executable()))
	program.Args = []string{"tollgate", "serve", "--dev", "--addr", addr, "--log-level", "debug", "--drain-delay", "1ms"}
	out, itsOut := pipe(t)
	log, itsLog := pipe(t)
	program.Stdout, program.Stderr = itsOut, itsLog
	running := must(proc.Start(program))
	t.Cleanup(running.Kill)
	itsOut.Close()
	itsLog.Close()
	lines := bufio.NewScanner(log)
	await := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("%q was not logged", text)
	}
	send := func(s syscall.Signal) {
		t.Helper()
		if err := running.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	serves := func() {
		t.Helper()
		res, err := http.Get("http://" + addr + "/livez")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, _ = io.Copy(io.Discard, res.Body); res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
	}
	await("listening")
	for range 3 {
		send(syscall.SIGHUP)
		await("reloaded")
		serves()
	}
	send(syscall.SIGUSR1)
	send(syscall.SIGUSR2)
	serves()

	out.Close()
	log.Close()
	for range 3 {
		serves() // and writes to a log that nobody reads
		send(syscall.SIGHUP)
	}
	serves()
	send(syscall.SIGTERM)
	if code, err := running.Wait(15 * time.Second); err != nil || code != 0 {
		t.Errorf("after SIGTERM: exit code %d, %v", code, err)
	}
}

func pipe(t *testing.T) (reads, writes *os.File) {
	t.Helper()
	reads, writes, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reads.Close(); writes.Close() })
	return reads, writes
}
