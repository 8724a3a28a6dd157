// Package netbirdgo holds no code: its tests drive the program with NetBird's own Go REST client,
// unmodified, and with the requests that its dashboard and its Terraform provider send. Run them with
//
//	go test ./...
//
// They build the program, start three gateways on a Redis of their own, and never skip: what they
// need and do not find is a failure.
package netbirdgo
