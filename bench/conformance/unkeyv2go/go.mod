module tollgate/bench/conformance/unkeyv2go

go 1.26.0

require github.com/unkeyed/sdks/api/go/v2 v2.7.1

require github.com/spyzhov/ajson v0.8.0 // indirect
