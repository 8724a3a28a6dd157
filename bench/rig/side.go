package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"tollgate/bench/conformance/stack"
	"tollgate/bench/probe"
)

// Side is a program to measure and its Redis.
type Side struct {
	*stack.Stack
	probe *http.Client
}

// Start runs one of the built programs on a Redis of its own.
func Start(binary string, args ...string) (*Side, error) {
	dir, err := os.MkdirTemp("", "tollgate-side-")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "probe")
	s, err := stack.Start(stack.Options{Binary: binary, Dir: dir, Args: args, Env: []string{probe.Variable + "=" + socket}})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	side := &Side{s, &http.Client{Transport: &http.Transport{DialContext: dial}}}
	if os.Getenv("TOLLGATE_BENCH_AOF") == "" {
		_, err = s.Do("CONFIG", "SET", "appendonly", "no")
	}
	return side, err
}

// Stop ends the processes and removes their files.
func (s *Side) Stop() error {
	err := s.Stack.Stop()
	_ = os.RemoveAll(s.Dir)
	return err
}

// Addr is where the program listens.
func (s *Side) Addr() string { return s.Gateways[0].Addr }

// Memory is what the program has allocated so far.
func (s *Side) Memory() (m probe.Memory, err error) {
	text, err := s.look("/memory")
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// Live is how many bytes of its memory the program uses. It collects twice: the first
// time pools keep what they have.
func (s *Side) Live() (uint64, error) {
	var m probe.Memory
	for range 2 {
		text, err := s.look("/memory?collect")
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		if err != nil {
			return 0, err
		}
	}
	return m.Live, nil
}

// Profile takes a profile of the program: "profile?seconds=5", "allocs".
func (s *Side) Profile(name string) ([]byte, error) { return s.look("/debug/pprof/" + name) }

func (s *Side) look(path string) ([]byte, error) {
	res, err := s.probe.Get("http://probe" + path)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("the probe's %s: %s", path, res.Status)
	}
	return text, err
}

var patient = &http.Client{Timeout: 20 * time.Second}

// Call posts JSON with the root key and returns the status and the answer.
func (s *Side) Call(path string, body any) (int, []byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+s.Addr()+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.RootKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := patient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// Must is Call where everything but success is an error. Its answer is decoded into
// an object; what v2 wraps into "data" is taken out.
func (s *Side) Must(path string, body any) (map[string]any, error) {
	status, answer, err := s.Call(path, body)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	if err := json.Unmarshal(answer, &object); err != nil || status >= 300 {
		return nil, fmt.Errorf("%s: %d %s", path, status, answer)
	}
	if data, ok := object["data"].(map[string]any); ok {
		return data, nil
	}
	return object, nil
}

// Serves reports whether the program has an endpoint at a path. Without a root key
// and a body, one that is there refuses in another way than by 404.
func (s *Side) Serves(path string) (bool, error) {
	res, err := patient.Post("http://"+s.Addr()+path, "application/json", http.NoBody)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	return res.StatusCode != http.StatusNotFound, nil
}
