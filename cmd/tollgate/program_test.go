package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/redisdb/redistest/proc"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this program under its own name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tollgate": main})
}

// The program as its operator sees it: each script is a story on the command line,
// with REDIS the URL of an empty Redis and ADDR a free address.
func TestProgram(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("REDIS", redistest.EmptyURL(t))
			env.Setenv("ADDR", freeAddr(t))
			env.Setenv("TOLLGATE_REDIS_SERVER", redistest.Binary(t))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"get": get, "post": post, "take": take, "guess": guess},
	})
}

func freeAddr(t *testing.T) string {
	t.Helper()
	return must(proc.FreeAddr())
}

// get is "get URL STATUS TEXT": waits until the URL answers so, with TEXT in it.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: get URL STATUS TEXT")
	}
	var last string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(args[0])
		if err != nil {
			last = err.Error()
			continue
		}
		if last = read(resp); last[:3] == args[1] && strings.Contains(last, args[2]) {
			return
		}
	}
	ts.Fatalf("GET %s: want %s with %q, got %s", args[0], args[1], args[2], last)
}

// post is "post URL TOKEN BODY STATUS TEXT [HEADER]...": with headers such as "Name: value",
// one line each. The body of the answer is in the file "answer" then.
func post(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 5 {
		ts.Fatalf("usage: post URL TOKEN BODY STATUS TEXT [HEADER]...")
	}
	req, err := http.NewRequest("POST", args[0], strings.NewReader(args[2]))
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+args[1])
	req.Header.Set("Content-Type", "application/json")
	for _, header := range args[5:] {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	got := read(resp)
	if got[:3] != args[3] || !strings.Contains(got, args[4]) {
		ts.Fatalf("POST %s: want %s with %q, got %s", args[0], args[3], args[4], got)
	}
	ts.Check(os.WriteFile(ts.MkAbs("answer"), []byte(got), 0o600))
}

// guess is "guess URL BODY COUNT TEXT": sends so many root keys that do not exist. Each is
// refused as unknown or with 429, the last with 429, TEXT and a Retry-After.
func guess(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: guess URL BODY COUNT TEXT")
	}
	count, err := strconv.Atoi(args[2])
	ts.Check(err)
	for n := range count {
		req, err := http.NewRequest("POST", args[0], strings.NewReader(args[1]))
		ts.Check(err)
		req.Header.Set("Authorization", fmt.Sprintf("Bearer nobody_has_this_root_key_%d", n))
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		ts.Check(err)
		got := read(resp)
		last := n == count-1
		switch {
		case resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "1":
		case !last && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden):
		default:
			ts.Fatalf("guess %d at %s: %s, Retry-After %q", n, args[0], got, resp.Header.Get("Retry-After"))
		}
		if last && !strings.Contains(got, args[3]) {
			ts.Fatalf("guess %d at %s: want %q, got %s", n, args[0], args[3], got)
		}
	}
}

// take is "take NAME PATTERN FILE": the variable becomes what the pattern's group matches.
func take(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: take NAME PATTERN FILE")
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile(args[2]))
	if len(found) != 2 {
		ts.Fatalf("%s is not in %s", args[1], args[2])
	}
	ts.Setenv(args[0], found[1])
}

func read(resp *http.Response) string {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprint(strconv.Itoa(resp.StatusCode), " ", string(body), err)
}

// A moment is a time or a duration, and lies ahead.
func TestMoment(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if got, err := moment(nil, now); got != 0 || err != nil {
		t.Errorf("none: %d, %v", got, err)
	}
	for text, want := range map[string]int64{
		"": -1, "1h": now.Add(time.Hour).UnixMilli(), "2026-01-02T03:04:06Z": now.Add(time.Second).UnixMilli(),
		"-1h": -1, "0s": -1, "2026-01-02T03:04:05Z": -1, "tomorrow": -1, "1767323045": -1,
	} {
		got, err := moment(&text, now)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
