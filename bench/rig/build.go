package rig

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"

	"tollgate/bench/conformance/stack"
)

// Built has the programs to measure.
type Built struct {
	Gateway, Floor string
	dir            string
}

// Build compiles the programs, once in a process; RemoveBuilt deletes them.
var Build = sync.OnceValues(build)

// RemoveBuilt deletes what Build compiled, if it was called. Every World of the process uses
// the same programs, so it is called last.
func RemoveBuilt() {
	if built != nil {
		built.remove()
	}
}

// built is what Build compiled; nil for nothing.
var built *Built

func build() (*Built, error) {
	root, err := stack.ModuleRoot()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tollgate-bench-")
	if err != nil {
		return nil, err
	}
	b := &Built{filepath.Join(dir, "gateway"), filepath.Join(dir, "floor"), dir}
	tree := os.Getenv("TOLLGATE_BENCH_TREE")
	if tree == "" {
		tree = root
	}
	overlay, err := overlay(dir, root, tree)
	if err == nil {
		err = stack.Compile(tree, b.Gateway, "./cmd/tollgate", "-overlay="+overlay)
	}
	if err == nil {
		err = stack.Compile(root, b.Floor, "./bench/floor")
	}
	if err != nil {
		b.remove()
		return nil, err
	}
	built = b
	return b, nil
}

func (b *Built) remove() { _ = os.RemoveAll(b.dir) }

// overlay adds the probe to the gateway of a tree without changing the tree.
func overlay(dir, root, tree string) (string, error) {
	addition := filepath.Join(dir, "probe.go")
	if err := os.WriteFile(addition, []byte("package main\n\nimport _ \"tollgate/bench/probe\"\n"), 0o600); err != nil {
		return "", err
	}
	text, _ := json.Marshal(map[string]any{"Replace": map[string]string{ // strings always encode
		filepath.Join(tree, "cmd/tollgate/bench_probe.go"): addition,
		filepath.Join(tree, "bench/probe/probe.go"):        filepath.Join(root, "bench/probe/probe.go"),
	}})
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}
