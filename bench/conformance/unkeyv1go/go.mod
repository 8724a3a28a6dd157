module tollgate/bench/conformance/unkeyv1go

go 1.26.0

// Shared by the suites.
require tollgate/bench/conformance/suite v0.0.0

replace tollgate/bench/conformance/suite => ../suite

require github.com/unkeyed/unkey-go v0.11.0

require (
	github.com/ericlagergren/decimal v0.0.0-20221120152707-495c53812d05 // indirect
	github.com/spyzhov/ajson v0.8.0 // indirect
)
