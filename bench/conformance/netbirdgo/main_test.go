package netbirdgo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"tollgate/bench/conformance/suite"

	"github.com/netbirdio/netbird/shared/management/client/rest"
)

var ctx = context.Background()

// token is a root key in NetBird's own format.
var token string

func TestMain(m *testing.M) {
	suite.Main(m, 3, func() (err error) {
		token, err = createRootKey()
		return err
	})
}

// createRootKey makes a root key on the command line.
func createRootKey(args ...string) (string, error) {
	if !slices.Contains(args, "--permission") {
		args = append(args, "--permission", "*")
	}
	return suite.Command(append([]string{"root", "create", "--format", "netbird"}, args...)...)
}

func newClient() *rest.Client { return rest.New(suite.Server.URLs[0], token) }

// raw sends what the client's types cannot say, through the gateway with this number.
func raw(t *testing.T, gateway int, method, path, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(method, suite.Server.URLs[gateway%len(suite.Server.URLs)]+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	req.Header.Set("Authorization", "Token "+token)
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
