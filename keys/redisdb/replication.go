package redisdb

import (
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
)

// Why a server's answers are not believed.
var (
	ErrReplica     = errors.New("the server is a replica, not a master")
	ErrCutOff      = errors.New("the server has fewer replicas in reach than its min-replicas-to-write asks for")
	ErrInfo        = errors.New("the server does not allow INFO, which Tollgate needs to know that it is a master")
	errStaleAnswer = errors.New("the answer came more than a second after the server was known to be a master")
	errInfoReply   = errors.New("the server answered INFO replication with something that can't be read")
)

// replicaRule is what a server is set to: how many replicas it wants in reach to take
// writes, and how long ago, in seconds, each must have been heard from.
type replicaRule struct{ minReplicas, maxLag int }

// server is one Redis server as the connections to it know it: its replicaRule, or nil
// before its settings were read.
type server struct{ rule atomic.Pointer[replicaRule] }

// judge reads the text of INFO replication. It returns an error unless the server is a
// master that is not cut off from the replicas it wants. wavering reports that one of
// those may be out of reach within the next second, so that the next look must be soon.
//
// INFO tells how many replicas are in reach only where the server wants some. That
// count is up to a second old; the lag of each replica is told as it is now, in whole
// seconds, so a replica that fell silent counts for less than maxLag + 1 seconds.
func (s *server) judge(info string) (wavering bool, err error) {
	role, good := infoField(info, "role"), infoField(info, "min_slaves_good_slaves")
	switch {
	case role == "":
		return false, errInfoReply
	case role != "master":
		return false, ErrReplica
	case good == "":
		return false, nil
	}
	rule := replicaRule{minReplicas: 1}
	if known := s.rule.Load(); known != nil {
		rule = *known
	}
	n, err := strconv.Atoi(good)
	if err != nil {
		return false, errInfoReply
	}
	if n < rule.minReplicas {
		return false, ErrCutOff
	}
	if rule.maxLag == 0 {
		return false, nil
	}
	near, fresh := replicasWithin(info, rule.maxLag)
	if near < rule.minReplicas {
		return false, ErrCutOff
	}
	return fresh < rule.minReplicas, nil
}

// replicasWithin returns how many replicas were heard from at most maxLag seconds ago,
// and how many of them less than that.
func replicasWithin(info string, maxLag int) (near, fresh int) {
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if !strings.HasPrefix(name, "slave") || !strings.Contains(value, ",state=online,") {
			continue
		}
		_, text, ok := strings.Cut(value, ",lag=")
		text, _, _ = strings.Cut(text, ",") // Valkey tells more behind it
		lag, err := strconv.Atoi(text)
		if !ok || err != nil || lag > maxLag {
			continue
		}
		near++
		if lag < maxLag {
			fresh++
		}
	}
	return near, fresh
}

// infoField returns the value of a field of a reply of INFO, "" where it is absent.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
