// Package manifests has the tests of those recipes in deploy/proxies that no test can run:
// what is for Kubernetes, and labels of Docker. Each object is held against the schema of its
// kind, strictly: a field that the schema does not have is an error. And each says the same as
// the recipe of Traefik that make proxies TRAEFIK=1 does run.
//
// testdata/schemas.json has the schemas, without their descriptions: of Kubernetes v1.34.2
// (api/openapi-spec) and of Traefik v3.6.0 (its CustomResourceDefinitions).
package manifests
