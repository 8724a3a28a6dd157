module tollgate/bench/conformance/suite

go 1.26.0
