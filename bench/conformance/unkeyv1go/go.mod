module tollgate/bench/conformance/unkeyv1go

go 1.26.0

require github.com/unkeyed/unkey-go v0.11.0
