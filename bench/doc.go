// Package bench measures the program. Its benchmarks drive real gateways, each a
// process with a real Redis, over HTTP:
//
//	go test -run '^$' -bench . -benchmem ./bench
//	go test -run '^$' -bench Verify/v1/credits+1limit ./bench
//	go test -run '^$' -bench Memory ./bench -keys 1000000
//	go test -run '^$' -bench . -benchtime 1x ./bench        # that they work
//
// Beside each runs its floor: the same web server with the same JSON in and out after
// a single auto-pipelined HGET, in slices that alternate with the gateway's, so that
// what else the machine does hits both. The load generator shares the machine. The
// metrics are
//
//	x-floor        throughput, divided by the floor's: the median of the slices
//	x-floor-cpu    CPU per operation of the floor (generator, server, Redis), divided by the gateway's
//	gateway-µs/op  CPU of the gateway; floor-µs/op is the floor's
//	client-µs/op   CPU of the load generator; floor-client-µs/op with the floor
//	redis-µs/op    CPU of its Redis
//	x-hget         redis-µs/op, divided by that of the floor's HGET
//	p50-µs p99-µs  latency in the closed loop; floor-p99-µs is the floor's
//	shed/op        refused with 503, where any was: the machine was too busy to measure
//	allocs/op B/op of the gateway, HTTP included; not of this process
//
// A gateway that does not serve an endpoint yet is reported as such. The other
// measurements are in the programs and packages below: bench/load for the open loop,
// bench/run to compare with another commit.
package bench
