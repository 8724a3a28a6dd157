package faults

import (
	cryptorand "crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/redisdb/redistest/proc"
	"tollgate/keys/store"
)

// audited is the program on a Redis, both of which are killed while keys are changed.
type audited struct {
	tb      testing.TB
	redis   *redistest.Server
	addr    string
	log     string
	root    string
	process *proc.Process
	client  *http.Client

	mu    sync.Mutex
	acked []change
}

// change is one that was acknowledged.
type change struct {
	action    audit.Name
	requestID string
	id        string // what it was about
}

// start starts the program, where it was killed too.
func (p *audited) start() {
	p.tb.Helper()
	binary, err := built()
	if err != nil {
		p.tb.Fatal(err)
	}
	cmd := exec.Command(binary, "serve", "--addr", p.addr, "--redis", p.redis.URL(), "--redis-timeout", "2s")
	cmd.Env = append(cmd.Environ(), "TOLLGATE_ROOT_KEY="+p.root)
	if p.process, err = proc.StartLogged(cmd, p.log); err != nil {
		p.tb.Fatal(err)
	}
	p.ready()
}

func (p *audited) ready() {
	p.tb.Helper()
	if err := p.process.AwaitReady(func() error {
		res, err := p.client.Get("http://" + p.addr + "/readyz")
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%d", res.StatusCode)
		}
		return nil
	}); err != nil {
		p.tb.Fatal(err)
	}
}

// ask sends one request and notes it where it was acknowledged; "" where it was not.
func (p *audited) ask(action audit.Name, operation, body, id, member string) string {
	req, err := http.NewRequest("POST", "http://"+p.addr+"/v2/"+operation, strings.NewReader(body))
	if err != nil {
		p.tb.Error(err)
		return ""
	}
	req.Header.Set("Authorization", "Bearer "+p.root)
	req.Header.Set("Content-Type", "application/json")
	res, err := p.client.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return ""
	}
	var answer struct{ Data map[string]string }
	if err := json.Unmarshal(text, &answer); err != nil {
		p.tb.Error(err)
	}
	if member != "" {
		id = answer.Data[member]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked = append(p.acked, change{action, res.Header.Get("Unkey-Request-Id"), id})
	return id
}

// change makes keys, changes and deletes them until over.
func (p *audited) change(api string, over *atomic.Bool) {
	for !over.Load() {
		id := p.ask(audit.CreateKey, "keys.createKey", `{"apiId":"`+api+`","name":"audited"}`, "", "keyId")
		if id == "" {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		named := `{"keyId":"` + id + `"`
		p.ask(audit.UpdateKey, "keys.updateKey", named+`,"enabled":false,"externalId":"`+id+`"}`, id, "")
		p.ask(audit.RerollKey, "keys.rerollKey", named+`,"expiration":60000}`, "", "keyId")
		p.ask(audit.DeleteKey, "keys.deleteKey", named+`}`, id, "")
	}
}

// entries reads the log, by request.
func (p *audited) entries() map[string]audit.Entry {
	p.tb.Helper()
	s := store.Open(p.redis.Client(), store.Options{Timeout: 10 * time.Second})
	ws, err := s.FindWorkspace(p.tb.Context(), keys.DefaultWorkspace)
	all := map[string]audit.Entry{}
	for q := (audit.Query{}); err == nil; {
		var page audit.Page
		page, err = s.Audit.Entries(p.tb.Context(), keys.Operator(ws).As(), q)
		for _, e := range page.Rows {
			all[e.RequestID] = e
		}
		if q.Before = page.Next; page.Next == "" {
			break
		}
	}
	if err != nil {
		p.tb.Fatal(err)
	}
	return all
}

// missing returns the acknowledged changes that have no entry, or one that does not say so.
func missing(acked []change, all map[string]audit.Entry) (some []change) {
	for _, c := range acked {
		e, ok := all[c.requestID]
		about := false
		for _, r := range e.Resources {
			about = about || r.ID == c.id
		}
		if !ok || e.Action != c.action || !about || e.State != audit.Done && e.State != audit.Pending {
			some = append(some, c)
		}
	}
	return some
}

// Every change that was acknowledged has its entry in the audit log, whenever the gateway and
// Redis are killed.
func TestAuditedChangesKilled(t *testing.T) {
	addr, err := proc.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	p := &audited{
		tb: t, redis: redistest.Start(t, redistest.WithAOF("everysec")), addr: addr, log: filepath.Join(t.TempDir(), "gateway.log"), root: "audited_" + cryptorand.Text(),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	p.start()
	t.Cleanup(func() { p.process.Kill() })
	api := p.ask(audit.CreateAPI, "apis.createApi", `{"name":"audited"}`, "", "apiId")
	var over atomic.Bool
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() { p.change(api, &over) })
	}
	kills := scale(6, 100)
	for n := range kills {
		time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
		if n%2 == 0 {
			p.process.Kill()
			p.start()
		} else {
			p.redis.Kill()
			time.Sleep(20 * time.Millisecond)
			p.redis.Restart()
			p.ready()
		}
	}
	over.Store(true)
	group.Wait()
	time.Sleep(2 * time.Second) // the last results
	all := p.entries()
	states := map[audit.State]int{}
	for _, e := range all {
		states[e.State]++
	}
	lost := missing(p.acked, all)
	row(t, "gateway and Redis killed under changes", "%d kills, %d changes acknowledged: %d without an entry; %v", kills, len(p.acked), len(lost), states)
	for _, c := range lost[:min(len(lost), 10)] {
		t.Errorf("%+v was acknowledged, and the log has %+v", c, all[c.requestID])
	}
	if len(p.acked) < 10*kills {
		t.Errorf("only %d changes were acknowledged", len(p.acked))
	}
	delete(all, p.acked[0].requestID)
	if len(missing(p.acked, all)) != len(lost)+1 {
		t.Error("an entry that is gone is not missed")
	}
}
