package extauthz

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const root = "../../.."

// build builds a command.
func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", binary, pkg)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s does not build: %v\n%s", pkg, err, out)
	}
	return binary
}

// gateway is a program that runs until the test ends.
type gateway struct {
	addr, grpc, root, api string
}

var greeting = regexp.MustCompile(`(root key|API id) +(\S+)`)

// start runs the program with a Redis of its own, and reads what it greets with.
func start(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{addr: freeAddr(t), grpc: freeAddr(t)}
	cmd := exec.Command(build(t, root, "./cmd/tollgate"), "serve", "--dev", "--addr", g.addr, "--grpc-addr", g.grpc, "--drain-delay", "1ms")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	})
	for lines := bufio.NewScanner(out); g.api == "" && lines.Scan(); {
		if m := greeting.FindStringSubmatch(lines.Text()); m != nil && m[1] == "root key" {
			g.root = m[2]
		} else if m != nil {
			g.api = m[2]
		}
	}
	if g.root == "" || g.api == "" {
		t.Fatal("the gateway has not greeted")
	}
	go func() {
		for buffer := make([]byte, 4096); ; {
			if _, err := out.Read(buffer); err != nil {
				return
			}
		}
	}()
	return g
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// curl runs grpcurl.
func curl(t *testing.T, binary string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, append([]string{"-plaintext", "-max-time", "20"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("grpcurl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// grpcurl, which knows nothing of the service, lists it, describes it, and is answered.
func TestGrpcurlListsAndCalls(t *testing.T) {
	g := start(t)
	grpcurl := build(t, ".", "github.com/fullstorydev/grpcurl/cmd/grpcurl")
	listed := curl(t, grpcurl, g.grpc, "list")
	for _, service := range []string{"envoy.service.auth.v3.Authorization", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} {
		if !strings.Contains(listed, service) {
			t.Errorf("%s is not listed in\n%s", service, listed)
		}
	}
	if got := curl(t, grpcurl, g.grpc, "describe", "envoy.service.auth.v3.Authorization.Check"); !strings.Contains(got, "CheckRequest") {
		t.Errorf("described as %s", got)
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(curl(t, grpcurl, g.grpc, "grpc.health.v1.Health/Check"), `"SERVING"`); {
		if time.Now().After(end) {
			t.Fatal("it is never serving")
		}
	}
	ask := func(root string) (status struct{ Code int }, body string) {
		request := `{"attributes":{"contextExtensions":{"apiId":"` + g.api + `"},"request":{"http":{"headers":{"x-api-key":"nobody"}}}}}`
		answer := curl(t, grpcurl, "-H", "x-tollgate-root-key: "+root, "-d", request, g.grpc, "envoy.service.auth.v3.Authorization/Check")
		var told struct {
			Status         struct{ Code int }
			DeniedResponse struct{ Body string }
		}
		if err := json.Unmarshal([]byte(answer), &told); err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
		return told.Status, told.DeniedResponse.Body
	}
	if status, body := ask(g.root); status.Code != 16 || !strings.Contains(body, `"code":"NOT_FOUND"`) {
		t.Errorf("an unknown key: %d %s", status.Code, body)
	}
	if status, body := ask("unknown"); status.Code != 13 || !strings.Contains(body, `"code":"MISCONFIGURED"`) {
		t.Errorf("an unknown root key: %d %s", status.Code, body)
	}
}

var documented = regexp.MustCompile("(?s)```sh run-by=\"bench/conformance/extauthz/grpcurl_test.go\"\n(.*?)\n```")

// What docs/proxies/envoy.md has somebody type works: the service is listed and answers.
func TestDocumentedCommandsWork(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/proxies/envoy.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := documented.FindSubmatch(text)
	if block == nil {
		t.Fatal("envoy.md has no such block")
	}
	g := start(t)
	grpcurl := build(t, ".", "github.com/fullstorydev/grpcurl/cmd/grpcurl")
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", strings.ReplaceAll(string(block[1]), "127.0.0.1:8081", g.grpc))
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(grpcurl)+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "envoy.service.auth.v3.Authorization\n") || !strings.Contains(string(out), "there is no such policy") {
		t.Errorf("%v: %s", err, out)
	}
}
