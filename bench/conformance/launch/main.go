// Launch runs a Redis and one or more gateways for the length of a test run.
//
//	launch [--gateways N] [--binary FILE] [--dir DIR]
//	launch [flags] --exec COMMAND [ARGUMENT…]
//
// Without --exec it prints one line of JSON,
//
//	{"url":"http://…","urls":["http://…"],"rootKey":"…","redis":"host:port","pids":[…]}
//
// and keeps everything running until its standard input ends or it is told to stop (SIGTERM,
// SIGINT). With --exec it runs the command with TOLLGATE_URL, TOLLGATE_URLS (comma-separated)
// and TOLLGATE_ROOT_KEY set, and exits with the command's exit code.
//
// Whichever way it ends, nothing it started is left behind. Before, unless it is killed, all that
// the gateways and the Redis have written is searched for the plaintexts of keys: one is printed
// as where it was, and makes the exit code 1.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"tollgate/bench/conformance/stack"
	"tollgate/keys/redisdb/redistest/proc"
)

func main() {
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "launch:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run() (code int, err error) {
	// What a busy machine does to timeouts is not what the suites are about.
	opts := stack.Options{Env: []string{"TOLLGATE_REDIS_TIMEOUT=4s", "TOLLGATE_LOG_LEVEL=debug"}}
	flag.IntVar(&opts.Gateways, "gateways", 1, "how many gateways share the Redis")
	flag.StringVar(&opts.Binary, "binary", "", "a gateway that is built already (default: $TOLLGATE_BINARY, else build ./cmd/tollgate)")
	flag.StringVar(&opts.Dir, "dir", "", "keep data and logs in this directory (default: a temporary one)")
	command := flag.Bool("exec", false, "run the arguments as a command instead of waiting")
	flag.Parse()
	if *command != (flag.NArg() > 0) {
		return 2, errors.New("--exec goes together with a command")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)

	s, err := stack.Start(opts)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, search(s), s.Stop()) }()
	if *command {
		return execute(s, flag.Args(), stop)
	}
	return 0, wait(s, stop)
}

// search tells how many keys it looked for: that it knew of them is what makes it mean anything.
func search(s *stack.Stack) error {
	report, err := s.Search()
	if err == nil {
		fmt.Fprintln(os.Stderr, "launch:", report)
	}
	return err
}

func wait(s *stack.Stack, stop <-chan os.Signal) error {
	err := json.NewEncoder(os.Stdout).Encode(map[string]any{
		"url": s.URLs()[0], "urls": s.URLs(), "rootKey": s.RootKey, "redis": s.RedisAddr, "binary": s.Binary(), "pids": s.PIDs(),
	})
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case <-ended:
	case <-stop:
	}
	return nil
}

func execute(s *stack.Stack, argv []string, stop <-chan os.Signal) (int, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "TOLLGATE_URL="+s.URLs()[0],
		"TOLLGATE_URLS="+strings.Join(s.URLs(), ","), "TOLLGATE_ROOT_KEY="+s.RootKey,
		"TOLLGATE_REDIS_URL=redis://"+s.RedisAddr, "TOLLGATE_BINARY="+s.Binary())
	child, err := proc.Start(cmd)
	if err != nil {
		return 1, err
	}
	select {
	case <-child.Done():
	case <-stop:
		_ = child.Signal(syscall.SIGTERM)
		<-child.Done()
	}
	if cmd.ProcessState.Success() {
		return 0, nil
	}
	return max(cmd.ProcessState.ExitCode(), 1), nil
}
