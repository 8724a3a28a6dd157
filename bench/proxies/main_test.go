package proxies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tollgate/bench/conformance/stack"
	"tollgate/keys/keystest/leaks"
)

// gateways is how many of them the proxies ask.
const gateways = 3

// world is what all tests share.
var world struct {
	*stack.Stack
	gateways    []*stack.Gateway // that have the policies
	application *application
	api         string // the API of the question
	otherAPI    string
	farAPI      string // whose keys may be used from farAddress alone
	nearAPI     string // whose keys may be used from 127.0.0.1 alone
	rootKey     string // with which the proxies ask: it may verify keys, and nothing else
	role        string // that there is; "" before it is made
	canaries    leaks.Canaries
}

const farAddress = "10.9.9.9"

func TestMain(m *testing.M) {
	if os.Getenv("TOLLGATE_PROXIES") == "" {
		fmt.Println("TOLLGATE_PROXIES is not set: no proxy is tested. make proxies does.")
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	err := start()
	if err == nil {
		code = m.Run()
		err = errors.Join(searchLogs(), world.Stop())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

// start starts Redis and the gateways. The first gateway is there before the API, and so
// before the policies: it makes what the others are asked about.
func start() (err error) {
	o := stack.Options{Env: []string{"TOLLGATE_LOG_LEVEL=debug", "TOLLGATE_REDIS_TIMEOUT=1s"}}
	if world.Stack, err = stack.Start(o); err != nil {
		return err
	}
	world.application = newApplication()
	for name, api := range map[string]*string{"orders": &world.api, "other": &world.otherAPI, "far": &world.farAPI, "near": &world.nearAPI} {
		if *api, err = command("api", "create", name); err != nil {
			return err
		}
	}
	if world.rootKey, err = command("root", "create", "--name", "proxies", "--permission", "api.*.verify_key"); err != nil {
		return err
	}
	world.canaries.Add("the proxies' root key", world.rootKey)
	world.canaries.Add("the first root key", world.RootKey)
	_, far := command("api", "allow-ip", world.farAPI, farAddress)
	_, near := command("api", "allow-ip", world.nearAPI, "127.0.0.1")
	return errors.Join(far, near, startGateways())
}

// startGateways starts those that the proxies ask. Their policies are not among what is
// searched for keys.
func startGateways() error {
	dir, err := os.MkdirTemp("", "policies-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // they are read at the start
	file := filepath.Join(dir, "policies.yaml")
	if err := os.WriteFile(file, policies(), 0o600); err != nil {
		return err
	}
	for range gateways {
		g, err := world.StartGateway("--forward-auth-policies", file, "--trusted-proxies", "127.0.0.1")
		if err != nil {
			return err
		}
		world.gateways = append(world.gateways, g)
	}
	return nil
}

// policies are the questions that are asked by name. JSON is YAML.
func policies() []byte {
	policy := func(api string, more object) object {
		more["apiId"], more["rootKey"] = api, world.rootKey
		return more
	}
	text, err := json.Marshal(object{"policies": object{
		"orders":   policy(world.api, object{"permissions": "orders.read", "identity": "full"}),
		"limits":   policy(world.api, object{"permissions": "orders.read", "identity": "full", "profile": "nginx"}),
		"far":      policy(world.farAPI, object{}),
		"near":     policy(world.nearAPI, object{}),
		"by-query": policy(world.api, object{"key": []object{{"query": "api_key"}}}),
	}})
	if err != nil {
		panic(err)
	}
	return text
}

// command runs another command of the program, and returns what it printed.
func command(args ...string) (string, error) {
	cmd := exec.Command(world.Binary(), args...)
	cmd.Env = append(os.Environ(), "TOLLGATE_REDIS_URL="+world.RedisURL())
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("tollgate %s: %w: %s", args[0], err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// requestLogged is in what every proxy logs about a request.
var requestLogged = regexp.MustCompile(`\b(GET|POST)\b`)

// searchLogs looks through all that Redis, the gateways and the proxies have written. The
// proxies' logs must tell of requests: a search through empty files finds nothing.
func searchLogs() error {
	report, err := world.Search()
	if err != nil {
		return err
	}
	fmt.Println(report)
	files, err := leaks.Files(world.Dir)
	if err != nil {
		return err
	}
	for name, text := range files {
		if found := world.canaries.Search(name, text); len(found) > 0 {
			err = errors.Join(err, errors.New(leaks.Lines(found)))
		}
		if strings.HasPrefix(name, "proxy-") && !requestLogged.Match(text) {
			err = errors.Join(err, fmt.Errorf("%s has no request: the search for keys in it means nothing", name))
		}
	}
	return err
}

type object = map[string]any

var admin = &http.Client{Timeout: 20 * time.Second}

// call sends JSON to the first gateway with the root key that may do everything, and returns
// the data of its answer.
func call(t testing.TB, path string, body object) object {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest("POST", world.URLs()[0]+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+world.RootKey)
	r.Header.Set("Content-Type", "application/json")
	res, err := admin.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err = io.ReadAll(res.Body)
	var answer struct{ Data any }
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", path, res.Status, text, err)
	}
	data, _ := answer.Data.(object) // some have a list
	return data
}

// A key is one that a test has made.
type key struct{ id, secret string }

// newKey makes a key of the question's API that has the permission which it asks for.
func newKey(t testing.TB, draft object) key {
	t.Helper()
	made := object{"apiId": world.api, "permissions": []string{"orders.read"}}
	for name, value := range draft {
		made[name] = value
	}
	data := call(t, "/v2/keys.createKey", made)
	return key{data["keyId"].(string), data["key"].(string)}
}

// credits makes the draft of a key with so many uses.
func credits(n int) object { return object{"credits": object{"remaining": n}} }

// left returns how many uses a key has left.
func (k key) left(t testing.TB) int {
	t.Helper()
	data := call(t, "/v2/keys.getKey", object{"keyId": k.id})
	return int(data["credits"].(object)["remaining"].(float64))
}
