// Package unkeyv2go holds no code: its tests drive the program with the unmodified Go client of
// Unkey's second API generation. Run them with
//
//	go test ./...
//
// They build the program, start it on a Redis of their own, and never skip: what they need and do
// not find is a failure.
package unkeyv2go
