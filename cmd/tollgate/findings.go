package main

import (
	"fmt"
	"strconv"
	"strings"
)

// The rules about settings, each in one place for the start and for afterwards.

// eviction refuses a server that may drop keys.
func eviction(s settings, _ bool) *finding {
	switch policy := s["maxmemory-policy"]; policy {
	case "noeviction":
		return nil
	case "":
		return &finding{level: warning, name: "maxmemory-policy", text: "Redis allows neither CONFIG GET nor does INFO say: could not check that maxmemory-policy is noeviction"}
	default:
		return &finding{level: unfit, name: "maxmemory-policy", text: fmt.Sprintf("Redis has maxmemory-policy %s, which can drop keys: set it to noeviction", policy)}
	}
}

// threads refuses a server that answers before it writes its append-only file: Redis 8
// with io-threads, unless it waits for the disk as well.
func threads(s settings, _ bool) *finding {
	major, _, _ := strings.Cut(s["redis_version"], ".")
	n, err := strconv.Atoi(major)
	if err != nil || n < 8 || s.number("io-threads") < 2 || s["appendonly"] != "yes" || s["appendfsync"] == "always" {
		return nil
	}
	return &finding{level: alarming, name: "io-threads", text: fmt.Sprintf("Redis %s with io-threads %s answers before it writes its append-only file, and forgets what it acknowledged when it is killed: set appendfsync always, or io-threads 1", s["redis_version"], s["io-threads"])}
}

// persistence says what a crash can lose.
func persistence(s settings, durable bool) *finding {
	switch {
	case s.guessed() && s["aof_enabled"] == "1":
		return &finding{level: warning, name: "persistence", text: "Redis does not allow CONFIG GET: it keeps an append-only file, but could not check its appendfsync, nor min-replicas-to-write"}
	case s.guessed():
		return &finding{level: warning, name: "persistence", text: "Redis does not allow CONFIG GET: it keeps no append-only file, and could not check whether it keeps snapshots, nor min-replicas-to-write"}
	case s["appendonly"] == "yes":
		return &finding{name: "persistence", text: "Redis keeps an append-only file: acknowledged changes survive its restart", attrs: []any{"appendfsync", s["appendfsync"], "a crash of its machine", s.atRisk(), "a crash of Redis alone", s.atRiskAlone(durable)}}
	case strings.TrimSpace(s["save"]) != "":
		return &finding{level: warning, name: "persistence", text: "Redis keeps snapshots alone: a crash forgets what changed since the last one; set appendonly yes, so that acknowledged changes survive", attrs: []any{"save", s["save"]}}
	}
	return &finding{level: warning, name: "persistence", text: "Redis keeps nothing across a restart: set appendonly yes, so that acknowledged changes survive"}
}

// atRisk is what a crash of the whole machine can lose.
func (s settings) atRisk() string {
	switch s["appendfsync"] {
	case "always":
		return "loses nothing"
	case "everysec":
		return "can lose the last second"
	}
	return "can lose what the kernel had not written yet"
}

// atRiskAlone is what a crash of Redis can lose. With everysec it answers before it
// writes while an fsync in the background is under way, for up to two seconds.
func (s settings) atRiskAlone(durable bool) string {
	if s["appendfsync"] == "everysec" && !durable {
		return "can lose what was acknowledged during an fsync, up to two seconds"
	}
	return "loses nothing"
}

// longLag is the longest min-replicas-max-lag, in seconds, that is not warned of.
const longLag = 2

// replicas says what a failover can lose, and for how long a master that was cut off from
// its replicas goes on answering.
func replicas(s settings, _ bool) *finding {
	lag := s.number("min-replicas-max-lag")
	switch wanted := s.number("min-replicas-to-write"); {
	case s.guessed():
		return nil
	case wanted == 0 || lag == 0:
		return &finding{name: "min-replicas", text: "a failover can forget what was acknowledged just before it, and a master that is cut off from its replicas goes on answering: min-replicas-to-write and min-replicas-max-lag bound both", attrs: []any{"min-replicas-to-write", wanted}}
	case lag > longLag:
		return &finding{level: warning, name: "min-replicas", text: "a master that is cut off from its replicas goes on answering for min-replicas-max-lag and a second: set it to 2 seconds or less", attrs: []any{"min-replicas-max-lag", lag}}
	}
	return nil
}
