module tollgate/bench/conformance/netbirdgo

go 1.26.0

// Shared by the suites.
require tollgate/bench/conformance/suite v0.0.0

replace tollgate/bench/conformance/suite => ../suite

// Written by hand: go mod tidy looks at the tests of what is required here, and some
// of those need a replacement that only NetBird's own module makes.
require github.com/netbirdio/netbird v0.77.1

require (
	github.com/apapsch/go-jsonmerge/v2 v2.0.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/oapi-codegen/runtime v1.1.2 // indirect
	github.com/sirupsen/logrus v1.9.4 // indirect
	golang.org/x/sys v0.47.0 // indirect
)
