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
)

// SIGHUP is logged and nothing else happens, again and again, and so with a log that
// nobody reads any more: the process serves on, and SIGTERM still drains it.
func TestSignalsThatEndNothing(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	program := exec.Command(self)
	program.Args = []string{"tollgate", "serve", "--dev", "--addr", addr, "--log-level", "debug", "--drain-delay", "1ms"}
	out, log := must(program.StdoutPipe()), must(program.StderrPipe())
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	t.Cleanup(func() { _ = program.Process.Kill() })
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
		if err := program.Process.Signal(s); err != nil {
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
		await("SIGHUP is ignored")
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
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	case <-time.After(15 * time.Second):
		t.Error("SIGTERM did not end it")
	}
}
