// Package importing measures what it takes to bring many keys in, and what many keys
// change about everything else: keys per second of an import beside single calls,
// bytes per key, and the time of a list and of a verification beside those of an
// almost empty store. Whatever it compares it measures in the same run.
//
//	go test -run . -v ./bench/importing                  50,000 keys
//	go test -run . -v ./bench/importing -keys 1000000 -fast 20    a million, on a quiet machine; some minutes
package importing
