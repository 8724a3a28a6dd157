// Package proxies has the tests of the recipes in deploy/proxies. Each runs the real proxy
// with the very files that are shipped, in front of an application that echoes what it sees;
// the proxy asks three real gateways on one real redis-server. What a recipe leaves to its
// user, the addresses and the question, the tests give in the way that the recipe says.
//
//	make proxies             nginx, Caddy and HAProxy, which have to be installed
//	make proxies TRAEFIK=1   Traefik too, which is built first and takes minutes
//
// They run where TOLLGATE_PROXIES is set, as make proxies and CI do. There a proxy that is
// not installed is a failure. Without the variable this package has no tests to run, so
// that go test ./... needs no proxies.
package proxies
