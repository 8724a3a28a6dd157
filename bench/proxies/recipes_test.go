package proxies

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest"

	"go.yaml.in/yaml/v3"
)

// shipped is where the recipes are.
const shipped = "../../deploy/proxies"

// A proxy is a program that recipes are for, and how it differs from the others.
type proxy struct {
	name     string
	binary   string
	command  func(s *site) (*exec.Cmd, error)
	asks     []question    // in the ways that its recipe has
	unasked  int           // the status where no Tollgate answers
	hung     int           // the status where Tollgate takes a request and does not answer
	ownPages bool          // a refusal has the proxy's own page, and not Tollgate's body
	keep     []string      // variables with which it keeps connections, where it does not by itself
	resends  bool          // over a kept connection that dies a request may be sent again
	silent   bool          // an answer that allows does not tell the client of limits
	lenient  bool          // headers with "_" for "-" in their names reach the application
	hangs    time.Duration // how long a client waits where Tollgate does; 0 is 4 s
}

// proxies returns those that are tested.
func proxies() []*proxy {
	all := []*proxy{
		{name: "nginx", binary: "nginx", command: nginx, asks: []question{policy, nginxPolicy, query}, unasked: 503, hung: 503, ownPages: true},
		{name: "caddy", binary: "caddy", command: caddy, asks: []question{policy, query}, unasked: 502, hung: 504, keep: []string{"TOLLGATE_KEEPALIVE=60s"}, resends: true},
		{name: "haproxy", binary: "haproxy", command: haproxy, asks: []question{policy, query}, unasked: 503, hung: 503},
	}
	if built := os.Getenv("TOLLGATE_TRAEFIK"); built != "" {
		all = append(all, &proxy{name: "traefik", binary: built, command: traefik, asks: []question{policy}, unasked: 500, hung: 500,
			resends: true, silent: true, lenient: true, hangs: 35 * time.Second}) // Traefik waits for 30 s
	}
	return all
}

// each runs a test with every proxy.
func each(t *testing.T, test func(t *testing.T, p *proxy)) {
	for _, p := range proxies() {
		t.Run(p.name, func(t *testing.T) {
			if _, err := exec.LookPath(p.binary); err != nil {
				t.Fatalf("%v: these tests run the real proxies, see the package's documentation", err)
			}
			test(t, p)
		})
	}
}

// each runs a test in every way in which the proxy's recipe asks.
func (p *proxy) each(t *testing.T, test func(t *testing.T, s *site)) {
	for _, q := range p.asks {
		t.Run(q.name, func(t *testing.T) { test(t, open(t, p, q)) })
	}
}

// A question is how a proxy asks.
type question struct {
	name    string
	text    func() string // behind /forward-auth
	rootKey func() string // that the proxy sends; nil for none
}

// named asks with a policy.
func named(policy string) question {
	return question{name: policy, text: func() string { return "/" + policy }}
}

var (
	policy      = named("orders")
	nginxPolicy = named("limits")
	query       = question{
		name:    "query",
		text:    func() string { return "?apiId=" + world.api + "&permissions=orders.read&identity=full" },
		rootKey: func() string { return world.rootKey },
	}
)

// nginx runs a copy of the recipe, whose folder settings is the user's, as nginx.md says.
func nginx(s *site) (*exec.Cmd, error) {
	dir := filepath.Join(s.dir, "nginx")
	settings := map[string]string{
		"listen.conf":    "listen " + s.addr + ";\n",
		"upstreams.conf": upstream("tollgate", s.tollgate()) + upstream("application", []string{s.application()}),
		"question.conf":  fmt.Sprintf("set $tollgate_question %q;\n", s.question.text()),
	}
	if s.question.rootKey != nil {
		settings["question.conf"] += fmt.Sprintf("set $tollgate_root_key %q;\n", s.question.rootKey())
	}
	err := os.CopyFS(dir, os.DirFS(filepath.Join(shipped, "nginx")))
	for name, text := range settings {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "settings", name), []byte(text), 0o600))
	}
	// One process, as this user: whoever ends it ends all of it.
	return exec.Command("nginx", "-p", dir, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off; master_process off;"), err
}

func upstream(name string, servers []string) string {
	return "upstream " + name + " {\n    server " + strings.Join(servers, ";\n    server ") + ";\n    keepalive 16;\n    keepalive_timeout 60s;\n}\n"
}

// caddy runs the recipe, which takes everything from the environment, as caddy.md says.
func caddy(s *site) (*exec.Cmd, error) {
	host, port, err := net.SplitHostPort(s.addr)
	cmd := exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", filepath.Join(shipped, "caddy", "Caddyfile"))
	cmd.Env = append(s.environment(), "BIND="+host, "PORT="+port, "TOLLGATE="+strings.Join(s.tollgate(), " "),
		"APPLICATION="+s.application(), "HOME="+s.dir, "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	return cmd, err
}

// haproxy runs the recipe with backends of its own, as haproxy.md says.
func haproxy(s *site) (*exec.Cmd, error) {
	var text strings.Builder
	text.WriteString("backend tollgate from tollgate\n")
	for i, addr := range s.tollgate() {
		fmt.Fprintf(&text, "    server tollgate%d %s\n", i+1, addr)
	}
	fmt.Fprintf(&text, "backend application from application\n    server application1 %s\n", s.application())
	addresses := filepath.Join(s.dir, "addresses.cfg")
	if err := os.WriteFile(addresses, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	config, err := filepath.Abs(filepath.Join(shipped, "haproxy"))
	cmd := exec.Command("haproxy", "-db", "-C", config, "-f", "haproxy.cfg", "-f", addresses)
	cmd.Env = append(s.environment(), "LISTEN="+s.addr, "TOLLGATE_SOCKET=abns@"+s.addr)
	return cmd, err
}

// traefik runs the recipe from another folder, and listens elsewhere. Everything else is in
// the environment, as traefik.md says.
func traefik(s *site) (*exec.Cmd, error) {
	text, err := os.ReadFile(filepath.Join(shipped, "traefik", "traefik.yaml"))
	if err != nil {
		return nil, err
	}
	dynamic, err := filepath.Abs(filepath.Join(shipped, "traefik", "dynamic.yaml"))
	if err != nil {
		return nil, err
	}
	var static object
	if err := yaml.Unmarshal(text, &static); err != nil {
		return nil, err
	}
	static["entryPoints"].(object)["web"].(object)["address"] = s.addr
	static["providers"].(object)["file"].(object)["filename"] = dynamic
	if text, err = yaml.Marshal(static); err != nil {
		return nil, err
	}
	file := filepath.Join(s.dir, "traefik.yaml")
	cmd := exec.Command(s.proxy.binary, "--configfile", file)
	cmd.Dir = s.dir
	// One address stands for the gateways, as the name of a service does.
	cmd.Env = append(s.environment(), "TOLLGATE=http://"+redistest.Forward(s, s.tollgate()...).Addr(), "APPLICATION=http://"+s.application())
	return cmd, os.WriteFile(file, text, 0o600)
}
