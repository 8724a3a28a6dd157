package netbirdgo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbirdio/netbird/shared/management/client/rest"
)

var ctx = context.Background()

// servers are the gateways under test, as the launcher prepared them, and a root key in NetBird's
// own format.
var servers struct {
	URLs  []string `json:"urls"`
	Redis string   `json:"redis"`
	token string
}

func TestMain(m *testing.M) {
	code, err := runWithServers(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "The suite needs running gateways and could not start them:", err)
		code = 1
	}
	os.Exit(code)
}

// runWithServers builds and starts the launcher, which starts the rest, and ends it by closing its
// standard input.
func runWithServers(run func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "netbirdgo-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	program, err := build(dir, "./cmd/tollgate")
	if err != nil {
		return 1, err
	}
	launcher, err := build(dir, "./bench/conformance/launch")
	if err != nil {
		return 1, err
	}
	launch := exec.Command(launcher, "--gateways", "3", "--binary", program)
	launch.Stderr = os.Stderr
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
	if err := json.NewDecoder(stdout).Decode(&servers); err != nil {
		return 1, fmt.Errorf("the launcher announced nothing: %w", err)
	}
	if servers.token, err = mint(program); err != nil {
		return 1, err
	}
	return run(), nil
}

// build compiles a package of the program's module; TOLLGATE_BINARY is the program built already.
func build(dir, pkg string) (string, error) {
	if built := os.Getenv("TOLLGATE_BINARY"); built != "" && pkg == "./cmd/tollgate" {
		return built, nil
	}
	binary := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", binary, pkg)
	cmd.Dir = "../../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not build: %w\n%s", pkg, err, out)
	}
	return binary, nil
}

// mint makes a root key on the command line.
func mint(program string, args ...string) (string, error) {
	if !slices.Contains(args, "--permission") {
		args = append(args, "--permission", "*")
	}
	args = append([]string{"root", "create", "--format", "netbird", "--redis", "redis://" + servers.Redis}, args...)
	out, err := exec.Command(program, args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

func newClient() *rest.Client { return rest.New(servers.URLs[0], servers.token) }

// raw sends what the client's types cannot say, through the gateway with this number.
func raw(t *testing.T, gateway int, method, path, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(method, servers.URLs[gateway%len(servers.URLs)]+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	req.Header.Set("Authorization", "Token "+servers.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Errorf("%s %s: %d with a body that is no JSON object: %q", method, path, res.StatusCode, text)
	}
	return res.StatusCode, members
}

// refused checks that the client made its own error of an answer.
func refused(t *testing.T, err error, status int, message string) {
	t.Helper()
	var api *rest.APIError
	if !errors.As(err, &api) || api.StatusCode != status || api.Message != message {
		t.Errorf("want %d %q, got %#v", status, message, err)
	}
	if rest.IsNotFound(err) != (status == http.StatusNotFound) {
		t.Errorf("IsNotFound is %v for %v", rest.IsNotFound(err), err)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
