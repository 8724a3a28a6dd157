package stack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

func (s *Stack) startRedis() error {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return fmt.Errorf("redis-server is needed and is not installed: %w", err)
	}
	return onFreePort(func(addr string) error {
		_, port, _ := net.SplitHostPort(addr)
		// The dump is not compressed, so that a search through it for a secret means something.
		s.Redis, err = startProcess(filepath.Join(s.Dir, "redis.log"), s.Dir, nil, binary,
			"--bind", "127.0.0.1", "--port", port, "--dir", s.Dir, "--save", "",
			"--appendonly", "yes", "--appendfsync", "no", "--rdbcompression", "no")
		if err != nil {
			return err
		}
		s.RedisAddr = addr
		return s.Redis.awaitReady(func() error {
			_, err := s.Do("PING")
			return err
		})
	})
}

// Do sends one command to the Redis and returns its reply: a string, an int64, a []any or nil.
func (s *Stack) Do(args ...string) (any, error) {
	conn, err := net.DialTimeout("tcp", s.RedisAddr, time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return readReply(bufio.NewReader(conn))
}

func readReply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 {
		return nil, fmt.Errorf("redis: malformed reply %q", line)
	}
	kind, rest := line[0], line[1:len(line)-2]
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return nil, errors.New("redis: " + rest)
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	switch {
	case err != nil || kind == ':':
		return n, err
	case n < 0:
		return nil, nil
	case kind == '$':
		text := make([]byte, n+2)
		_, err := io.ReadFull(r, text)
		return string(text[:n]), err
	}
	list := make([]any, n)
	for i := range list {
		if list[i], err = readReply(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}
