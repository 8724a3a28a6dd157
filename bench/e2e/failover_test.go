package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/keys/redisdb/redistest"
)

// store is what the gateways run on where TOLLGATE_STORE says so: a Cluster, or what sentinels
// watch. Otherwise the stack has a Redis of its own.
var store *redistest.LastingStore

// failovers is beneath the patient client. Now and then it holds requests back, waits for those
// under way, has a replica take over and lets them go on when every gateway has followed: so each
// request has a certain end, and what the tests count is exact.
var failovers = disturbances{through: &http.Transport{MaxIdleConnsPerHost: 700}}

// each is after how many requests a replica takes over.
const each = 1000

type disturbances struct {
	through  http.RoundTripper
	idle     sync.RWMutex // whoever holds it has no request under way
	requests atomic.Int64
	happened int
	probes   [][]byte // verifications that write, and add no name to the store
}

// probeKeys is how many there are: a master of three has none once in three million runs.
const probeKeys = 40

// begin makes the keys of the probes.
func (d *disturbances) begin() error {
	g := gateAt(nil, 0)
	api := g.call("POST", "apis.createApi", object{"name": "probe"})
	for range probeKeys {
		made := g.call("POST", "keys.createKey", object{"apiId": api.body["apiId"], "remaining": 1 << 40})
		if made.err != nil || made.status != http.StatusOK {
			return fmt.Errorf("a key to follow failovers by: %s", made)
		}
		probe, _ := json.Marshal(object{"key": made.body["key"]})
		d.probes = append(d.probes, probe)
	}
	return nil
}

// RoundTrip implements http.RoundTripper.
func (d *disturbances) RoundTrip(req *http.Request) (*http.Response, error) {
	if n := d.requests.Add(1); store != nil && n%each == each/2 {
		d.happen()
	}
	d.idle.RLock()
	defer d.idle.RUnlock()
	return d.through.RoundTrip(req)
}

func (d *disturbances) happen() {
	d.idle.Lock()
	defer d.idle.Unlock()
	d.happened++
	store.HandOver()
	for i := range gateways {
		for deadline := time.Now().Add(10 * time.Second); !d.writes(world.Gateways[i].URL) && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// writes reports whether a gateway reaches every master, whoever took over: of a server that is
// one no more it learns when it asks for what was there.
func (d *disturbances) writes(url string) bool {
	client := http.Client{Transport: d.through, Timeout: 5 * time.Second}
	for _, probe := range d.probes {
		res, err := client.Post(url+"/v1/keys.verifyKey", "application/json", bytes.NewReader(probe))
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return false
		}
	}
	return true
}
