module tollgate/bench/conformance/unkeyv2go

go 1.26.0

// Shared by the suites.
require tollgate/bench/conformance/suite v0.0.0

replace tollgate/bench/conformance/suite => ../suite

require github.com/unkeyed/sdks/api/go/v2 v2.7.1

require github.com/spyzhov/ajson v0.8.0 // indirect
