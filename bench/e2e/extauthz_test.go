package e2e

import (
	"context"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
)

// check is one of Envoy's questions, with a secret in some place.
type check struct {
	root       string
	extensions map[string]string
	request    *authv3.AttributeContext_HttpRequest
}

// checks have a secret where a key is looked for, and where none is wanted.
func (v *vault) checks(secret string) (all []check) {
	any := map[string]string{"apiId": "*", "identity": "full"}
	for name, value := range map[string]string{
		"authorization": "Bearer " + secret, "x-api-key": secret, "x-other": secret, "cookie": "session=" + secret,
		"x-forwarded-for": secret, "x-tollgate-root-key": secret, secret: "x",
	} {
		all = append(all, check{root: world.RootKey, extensions: any, request: &authv3.AttributeContext_HttpRequest{Headers: map[string]string{name: value}}})
	}
	for _, value := range []string{"Bearer " + secret + " " + secret, "Bearer " + secret + ",Bearer x", secret, "Basic " + secret} {
		all = append(all, check{root: world.RootKey, extensions: any, request: &authv3.AttributeContext_HttpRequest{Headers: map[string]string{"authorization": value}}})
	}
	carried := &authv3.AttributeContext_HttpRequest{Headers: map[string]string{"x-api-key": secret}}
	all = append(all,
		check{root: secret, extensions: any, request: carried},
		check{root: world.RootKey, extensions: any, request: &authv3.AttributeContext_HttpRequest{
			Path: "/x?key=" + secret, Host: secret, Method: secret, HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "X-API-Key", RawValue: []byte(secret + "\x00")}}},
		}},
	)
	for _, extensions := range []map[string]string{
		{}, {"policy": secret}, {secret: "1"}, {"apiId": secret}, {"apiId": "*", "permissions": secret + " AND ("}, {"apiId": "*", "cost": secret},
		{"apiId": "*", "ratelimit": secret}, {"apiId": "*", "profile": secret}, {"apiId": "*", "identity": secret}, {"apiId": "*", secret: secret},
	} {
		all = append(all, check{root: world.RootKey, extensions: extensions, request: carried})
	}
	return all
}

// asksByEnvoy sends each secret in every place of a check. What comes back is kept with all
// answers; a limit that is named in a question is answered with its name, as it is stored.
func (v *vault) asksByEnvoy() {
	v.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+v.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		v.t.Fatal(err)
	}
	defer conn.Close()
	allowed, refused := 0, 0
	for _, secret := range v.secrets {
		for _, c := range v.checks(secret) {
			ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(v.t.Context(), "x-tollgate-root-key", c.root), 20*time.Second)
			got, err := authv3.NewAuthorizationClient(conn).Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
				ContextExtensions: c.extensions, Request: &authv3.AttributeContext_Request{Http: c.request},
			}})
			cancel()
			if err != nil {
				answers.keep(0, nil, []byte(err.Error()))
				v.t.Errorf("a check is not answered: %s", strings.ReplaceAll(err.Error(), secret, "SECRET"))
				continue
			}
			answers.keep(0, nil, []byte(protojson.Format(got)))
			if got.GetOkResponse() != nil {
				allowed++
			} else {
				refused++
			}
		}
	}
	if allowed == 0 || refused == 0 {
		v.t.Errorf("%d checks were allowed, %d refused", allowed, refused)
	}
}
