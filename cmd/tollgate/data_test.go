package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/redisdb/redistest/proc"
)

// dataKills is how often a gateway or its Redis is killed.
const dataKills = 12

// folder is a data folder with gateways that follow one another.
type folder struct {
	*testing.T
	path, addr, api string
	log             bytes.Buffer
	running         *proc.Process
}

const folderRoot = "a-root-key-of-the-folder"

func newFolder(t *testing.T) *folder {
	t.Setenv("TOLLGATE_REDIS_SERVER", redistest.Binary(t))
	f := &folder{T: t, path: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t)}
	f.start()
	f.api = f.ok("/v1/apis.createApi", `{"name":"orders"}`)["apiId"].(string)
	return f
}

// start starts a gateway and waits until it is ready.
func (f *folder) start() {
	f.Helper()
	cmd := program0(f.T, &f.log, []string{"serve", "--data", f.path, "--addr", f.addr, "--root-key", folderRoot, "--drain-delay", "10ms", "--redis-timeout", "2s"})
	running := must(proc.Start(cmd))
	f.Cleanup(func() {
		running.Kill()
		if f.Failed() {
			f.Log(f.log.String())
		}
	})
	if err := running.AwaitReady(func() error { return f.ready() }); err != nil {
		f.Fatal(err, f.log.String())
	}
	f.running = running
}

func (f *folder) ready() error {
	resp, err := http.Get("http://" + f.addr + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// post asks the gateway; the status is 0 where no answer came.
func (f *folder) post(path, body string) (status int, answer map[string]any) {
	req := must(http.NewRequest("POST", "http://"+f.addr+path, strings.NewReader(body)))
	req.Header.Set("Authorization", "Bearer "+folderRoot)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(text, &answer) != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}

func (f *folder) ok(path, body string) map[string]any {
	f.Helper()
	status, answer := f.post(path, body)
	if status != http.StatusOK {
		f.Fatal(path, status, answer)
	}
	return answer
}

// pid is the process id of its Redis.
func (f *folder) pid() int {
	f.Helper()
	text := must(os.ReadFile(filepath.Join(f.path, "server.pid")))
	return must(strconv.Atoi(strings.TrimSpace(string(text))))
}

// stop stops the gateway, whose Redis is gone then.
func (f *folder) stop() {
	f.Helper()
	pid := f.pid()
	if err := f.running.Stop(); err != nil || !proc.Gone(pid) {
		f.Fatalf("%v; the Redis is gone: %t", err, proc.Gone(pid))
	}
}

// Gateway and Redis are killed at any moment while keys are created and used: each key and each
// use that was acknowledged is there afterwards, none is spent twice, and what is not answered
// with a success is 503.
func TestDataSurvivesKills(t *testing.T) {
	f := newFolder(t)
	counted := f.ok("/v1/keys.createKey", `{"apiId":"`+f.api+`","remaining":1000000}`)["key"].(string)
	var created []string
	var uses, doubtful int
	for kill := range dataKills {
		var wait sync.WaitGroup
		over := make(chan struct{})
		wait.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				status, answer := f.post("/v1/keys.createKey", `{"apiId":"`+f.api+`"}`)
				switch status {
				case http.StatusOK:
					created = append(created, answer["key"].(string))
				case 0, http.StatusServiceUnavailable:
					time.Sleep(time.Millisecond)
				default:
					t.Error(status, answer)
				}
				switch status, answer := f.post("/v1/keys.verifyKey", `{"key":"`+counted+`"}`); {
				case status == http.StatusOK && answer["valid"] == true:
					uses++
				case status == 0 || status == http.StatusServiceUnavailable:
					doubtful++
				default:
					t.Error(status, answer)
				}
			}
		})
		time.Sleep(50*time.Millisecond + rand.N(100*time.Millisecond))
		before := f.pid()
		if kill%2 == 0 {
			if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
			time.Sleep(100 * time.Millisecond)
		} else {
			f.running.Kill()
			f.start()
		}
		close(over)
		wait.Wait()
		if err := f.running.AwaitReady(f.ready); err != nil {
			t.Fatal(err)
		}
		if before == f.pid() || !proc.Gone(before) {
			t.Fatalf("kill %d: the Redis is the same one", kill)
		}
	}
	for _, key := range created {
		if answer := f.ok("/v1/keys.verifyKey", `{"key":"`+key+`"}`); answer["valid"] != true {
			t.Errorf("an acknowledged key is gone: %v", answer)
		}
	}
	left := int(f.ok("/v1/keys.verifyKey", `{"key":"`+counted+`"}`)["remaining"].(float64)) + 1
	if spent := 1_000_000 - left; spent < uses || spent > uses+doubtful {
		t.Errorf("%d uses are spent; %d were acknowledged and %d are unknown", spent, uses, doubtful)
	}
	if len(created) < dataKills || uses < dataKills {
		t.Errorf("only %d keys were created and %d uses", len(created), uses)
	}
	f.stop()
}

// At SIGTERM the gateway drains first, then its usage is stored, then Redis stops: what was
// counted in the last moment is there at the next start.
func TestDataStopsInOrder(t *testing.T) {
	f := newFolder(t)
	key := f.ok("/v1/keys.createKey", `{"apiId":"`+f.api+`"}`)
	const uses = 7
	for range uses {
		f.ok("/v1/keys.verifyKey", `{"key":"`+key["key"].(string)+`"}`)
	}
	f.stop()
	_, stopping, _ := strings.Cut(f.log.String(), "msg=draining")
	if strings.Contains(stopping, "level=ERROR") || strings.Contains(stopping, "level=WARN") {
		t.Errorf("a planned stop logs trouble:\n%s", stopping)
	}
	f.start()
	req := must(http.NewRequest("GET", "http://"+f.addr+"/v1/keys.getVerifications?keyId="+key["keyId"].(string), nil))
	req.Header.Set("Authorization", "Bearer "+folderRoot)
	resp := must(http.DefaultClient.Do(req))
	if got := read(resp); !strings.Contains(got, fmt.Sprintf(`"success":%d`, uses)) {
		t.Errorf("usage after the stop: %s", got)
	}
	f.stop()
}

// A gateway whose data can't be read ends with the reason.
func TestDataDamaged(t *testing.T) {
	f := newFolder(t)
	f.stop()
	all := must(filepath.Glob(filepath.Join(f.path, "appendonlydir", "*.incr.aof")))
	text := must(os.ReadFile(all[0]))
	copy(text, "no command") // where a command begins
	if err := os.WriteFile(all[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	running := must(proc.Start(program0(t, &out, []string{"serve", "--data", f.path, "--addr", f.addr})))
	t.Cleanup(running.Kill)
	code, err := running.Wait(15 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if code != 1 || !strings.Contains(out.String(), "Bad file format") || !strings.Contains(out.String(), "redis-check-aof") {
		t.Errorf("%d: %s", code, out.String())
	}
	if ran := tollgate(t, "root", "list", "--data", f.path); ran.err == nil || !strings.Contains(ran.out, "Bad file format") {
		t.Errorf("%v: %s", ran.err, ran.out)
	}
}
