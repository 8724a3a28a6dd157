// Package rig sets up what benchmarks and load programs measure: gateways and the
// floor they are compared with, each a real process with a Redis of its own, and a
// client that is lean enough not to be what is measured.
//
// The floor is the same web server with the same JSON in and out, after a single
// auto-pipelined HGET: the least that any answer from Redis can cost. It is the
// program in bench/floor.
//
// A gateway is built from the tree that TOLLGATE_BENCH_TREE names, otherwise from
// this module, so that a commit can be compared with another one by the same
// benchmarks. Redis keeps nothing on disk unless TOLLGATE_BENCH_AOF is set.
package rig
