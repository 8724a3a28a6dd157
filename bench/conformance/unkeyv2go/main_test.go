package unkeyv2go

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
	"github.com/unkeyed/sdks/api/go/v2/retry"
)

// server is the gateway under test, as the launcher prepared it.
var server struct {
	URL     string `json:"url"`
	RootKey string `json:"rootKey"`
	Redis   string `json:"redis"`
	Binary  string `json:"binary"`
}

func TestMain(m *testing.M) {
	code, err := runWithServer(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "The suite needs a running gateway and could not start one:", err)
		code = 1
	}
	os.Exit(code)
}

// runWithServer builds and starts the launcher, which builds and starts the rest, and ends it by
// closing its standard input.
func runWithServer(run func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "unkeyv2go-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	root, err := filepath.Abs("../../..")
	if err != nil {
		return 1, err
	}
	launcher := filepath.Join(dir, "launch")
	build := exec.Command("go", "build", "-o", launcher, "./bench/conformance/launch")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("the launcher does not build: %w\n%s", err, out)
	}
	launch := exec.Command(launcher)
	launch.Dir, launch.Stderr = root, os.Stderr
	stdin, err := launch.StdinPipe()
	if err != nil {
		return 1, err
	}
	stdout, err := launch.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := launch.Start(); err != nil {
		return 1, err
	}
	defer func() {
		stdin.Close()
		if werr := launch.Wait(); err == nil && werr != nil {
			err = fmt.Errorf("the launcher ended badly: %w", werr)
		}
	}()
	if err := json.NewDecoder(stdout).Decode(&server); err != nil {
		return 1, fmt.Errorf("the launcher announced nothing: %w", err)
	}
	return run(), nil
}

// called holds the operations that were called, in small letters.
var called sync.Map

// recorder is the HTTP client under the official one.
type recorder struct{}

func (recorder) Do(req *http.Request) (*http.Response, error) {
	called.Store(strings.ToLower(strings.TrimPrefix(req.URL.Path, "/v2/")), true)
	return http.DefaultClient.Do(req)
}

func newClient(rootKey string) *unkey.Unkey {
	return unkey.New(unkey.WithServerURL(server.URL), unkey.WithSecurity(rootKey), unkey.WithClient(recorder{}),
		unkey.WithRetryConfig(retry.Config{Strategy: "none"}))
}

// talk is a test's conversation with the gateway.
type talk struct {
	*unkey.Unkey
	*testing.T
}

func newTalk(t *testing.T) talk { return talk{newClient(server.RootKey), t} }

// ok returns the answer of a call that must succeed.
func ok[T any](t talk, res T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (t talk) api() string {
	t.Helper()
	res, err := t.Apis.CreateAPI(t.Context(), components.V2ApisCreateAPIRequestBody{Name: "conformance"})
	return ok(t, res, err).V2ApisCreateAPIResponseBody.Data.APIID
}

func (t talk) key(d components.V2KeysCreateKeyRequestBody) components.V2KeysCreateKeyResponseData {
	t.Helper()
	if d.APIID == "" {
		d.APIID = t.api()
	}
	res, err := t.Keys.CreateKey(t.Context(), d)
	return ok(t, res, err).V2KeysCreateKeyResponseBody.Data
}

// code verifies and checks the outcome; valid must agree with it.
func (t talk) code(want components.Code, r components.V2KeysVerifyKeyRequestBody) components.V2KeysVerifyKeyResponseData {
	t.Helper()
	res, err := t.Keys.VerifyKey(t.Context(), r)
	got := ok(t, res, err).V2KeysVerifyKeyResponseBody.Data
	if got.Code != want || got.Valid != (want == components.CodeValid) {
		t.Fatalf("want %s, got %+v", want, got)
	}
	return got
}

// raw sends what the client's types cannot say, and wants a success.
func (t talk) raw(operation, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v2/"+operation, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+server.RootKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d", operation, res.StatusCode)
	}
}

func p[T any](v T) *T { return &v }

// unique is a name that nothing else has.
func unique(what string) string {
	return fmt.Sprintf("%s.%d", what, time.Now().UnixNano())
}

// same checks that two values are written alike in JSON.
func (t talk) same(got, want any) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("got %s, want %s", g, w)
	}
}

// month is so long that no window ends in a test.
const month = 30 * 24 * 3600 * 1000
