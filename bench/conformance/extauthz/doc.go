// Package extauthz holds no code: its tests ask the program over ext_authz with grpcurl, and
// hold the Gateway API's routes of deploy/proxies against that API's types and published
// schema. Run them with
//
//	go test ./...
//
// They build what they start, and never skip: what they need and do not find is a failure.
package extauthz
