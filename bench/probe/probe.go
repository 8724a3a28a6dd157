// Package probe lets a benchmark look into a Go process: how much it has allocated,
// and its profiles. A program that imports it listens on the Unix socket named in
// the environment, and otherwise does nothing. The gateway does not import it:
// package rig adds it when it builds a gateway to measure.
package probe

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"runtime"
)

// Variable is the environment variable that holds the socket's path.
const Variable = "TOLLGATE_PROBE"

// Memory is what a process has allocated since it started, and what it holds now.
type Memory struct {
	Mallocs uint64 // objects
	Bytes   uint64
	Live    uint64 // bytes in use after a collection; 0 unless one was asked for
}

func init() {
	path := os.Getenv(Variable)
	if path == "" {
		return
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		panic("probe: " + err.Error())
	}
	http.HandleFunc("/memory", memory)
	go func() { _ = http.Serve(listener, nil) }() // ends with the process
}

func memory(w http.ResponseWriter, r *http.Request) {
	collect := r.URL.Query().Has("collect")
	if collect {
		runtime.GC()
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m := Memory{Mallocs: s.Mallocs, Bytes: s.TotalAlloc}
	if collect {
		m.Live = s.HeapAlloc
	}
	_ = json.NewEncoder(w).Encode(m) // a reader that went away asks again
}
