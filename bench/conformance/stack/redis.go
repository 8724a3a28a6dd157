package stack

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

func (s *Stack) startRedis() error {
	binary, err := redisServer()
	if err != nil {
		return err
	}
	return onFreePort(func(addr string) error {
		_, port, _ := net.SplitHostPort(addr)
		// The dump is not compressed, so that a search through it for a secret means something.
		args := []string{"--bind", "127.0.0.1", "--port", port, "--dir", s.Dir, "--save", "",
			"--appendonly", "yes", "--appendfsync", "no", "--rdbcompression", "no"}
		if s.opts.Password != "" {
			args = append(args, "--requirepass", s.opts.Password)
		}
		s.Redis, err = startProcess(filepath.Join(s.Dir, "redis.log"), s.Dir, nil, binary, args...)
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

// redisServer finds the server to run: the file that TOLLGATE_REDIS_SERVER names, as for
// every other suite, otherwise redis-server.
func redisServer() (string, error) {
	name := cmp.Or(os.Getenv("TOLLGATE_REDIS_SERVER"), "redis-server")
	binary, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is needed and can't be run: %w", name, err)
	}
	return filepath.Abs(binary)
}

// RedisURL is the address of the Redis, with the password if it has one.
func (s *Stack) RedisURL() string {
	if s.opts.Store != nil {
		return s.opts.Store.URL()
	}
	u := url.URL{Scheme: "redis", Host: s.RedisAddr}
	if s.opts.Password != "" {
		u.User = url.UserPassword("", s.opts.Password)
	}
	return u.String()
}

// Do sends one command to the Redis and returns its reply: a string, an int64, a []any or nil.
func (s *Stack) Do(args ...string) (any, error) {
	if s.opts.Store != nil {
		return s.opts.Store.Do(args...)
	}
	conn, err := net.DialTimeout("tcp", s.RedisAddr, time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(conn)
	if s.opts.Password != "" {
		if _, err := exchange(conn, in, "AUTH", s.opts.Password); err != nil {
			return nil, err
		}
	}
	return exchange(conn, in, args...)
}

func exchange(out io.Writer, in *bufio.Reader, args ...string) (any, error) {
	fmt.Fprintf(out, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(out, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return readReply(in)
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
