package extauthz_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
)

const recipes = "../../../deploy/proxies/envoy"

// readYAML reads a file of YAML as JSON.
func readYAML(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// readBootstrap reads a configuration of Envoy: what has another name or another type than
// Envoy's schema says fails.
func readBootstrap(t testing.TB, name string) *bootstrapv3.Bootstrap {
	t.Helper()
	b := new(bootstrapv3.Bootstrap)
	if err := protojson.Unmarshal(readYAML(t, filepath.Join(recipes, name)), b); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

func unpack[M proto.Message](t testing.TB, packed *anypb.Any, into M) M {
	t.Helper()
	if err := packed.UnmarshalTo(into); err != nil {
		t.Fatal(err)
	}
	return into
}

// standIn does what Envoy's documentation says that Envoy does with a configuration, as far
// as ours use it: it is no Envoy.
type standIn struct {
	t       testing.TB
	manager *managerv3.HttpConnectionManager
	filter  *filterv3.ExtAuthz
	strip   []string // header names
	grpc    *grpc.ClientConn
	http    string // address of the gateway
	app     *httputil.ReverseProxy
}

func newStandIn(t testing.TB, config string, gateway *grpc.ClientConn, address, app string) *httptest.Server {
	t.Helper()
	b := readBootstrap(t, config)
	e := &standIn{t: t, grpc: gateway, http: address, filter: new(filterv3.ExtAuthz)}
	e.manager = unpack(t, b.GetStaticResources().GetListeners()[0].GetFilterChains()[0].GetFilters()[0].GetTypedConfig(), new(managerv3.HttpConnectionManager))
	unpack(t, e.manager.GetHttpFilters()[0].GetTypedConfig(), e.filter)
	early := unpack(t, e.manager.GetEarlyHeaderMutationExtensions()[0].GetTypedConfig(), new(earlyv3.HeaderMutation))
	for _, m := range early.GetMutations() {
		e.strip = append(e.strip, m.GetRemove())
	}
	target, err := url.Parse(app)
	if err != nil {
		t.Fatal(err)
	}
	e.app = httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return server
}

// ServeHTTP implements http.Handler.
func (e *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, name := range e.strip {
		r.Header.Del(name)
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	r.Header.Set("X-Forwarded-For", strings.TrimPrefix(r.Header.Get("X-Forwarded-For")+", "+host, ", "))
	route := new(filterv3.ExtAuthzPerRoute)
	if packed := e.route(r.URL.Path).GetTypedPerFilterConfig()["envoy.filters.http.ext_authz"]; packed != nil {
		unpack(e.t, packed, route)
	}
	if !route.GetDisabled() && !e.ask(w, r, route.GetCheckSettings(), host) {
		return
	}
	r.Header.Del("X-Forwarded-For") // the reverse proxy writes it
	e.app.ServeHTTP(w, r)
}

func (e *standIn) route(path string) *routev3.Route {
	for _, r := range e.manager.GetRouteConfig().GetVirtualHosts()[0].GetRoutes() {
		if m := r.GetMatch(); m.GetPath() == path && path != "" || m.GetPrefix() != "" && strings.HasPrefix(path, m.GetPrefix()) {
			return r
		}
	}
	return nil
}

// ask reports whether the request may go on; otherwise it has answered.
func (e *standIn) ask(w http.ResponseWriter, r *http.Request, settings *filterv3.CheckSettings, source string) bool {
	if e.filter.GetGrpcService() != nil {
		return e.askGRPC(w, r, settings, source)
	}
	service := e.filter.GetHttpService()
	if own := settings.GetHttpService(); own != nil {
		service = own
	}
	return e.askHTTP(w, r, service)
}

// failed is what Envoy does where it got no answer.
func (e *standIn) failed(w http.ResponseWriter) bool {
	if e.filter.GetFailureModeAllow() {
		return true
	}
	w.WriteHeader(int(e.filter.GetStatusOnError().GetCode()))
	return false
}

func (e *standIn) askGRPC(w http.ResponseWriter, r *http.Request, settings *filterv3.CheckSettings, source string) bool {
	check := request(settings.GetContextExtensions())
	h := check.Attributes.Request.Http
	h.Method, h.Path, h.Host, h.Headers = r.Method, r.URL.RequestURI(), r.Host, nil
	check.Attributes.Source = from(source)
	for name, values := range r.Header {
		for _, value := range values {
			h.HeaderMap = appendRaw(h.HeaderMap, name, value)
		}
	}
	if !e.filter.GetEncodeRawHeaders() {
		e.t.Error("the stand-in sends raw headers alone")
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*e.filter.GetGrpcService().GetTimeout().AsDuration()) // the machine may be busy
	defer cancel()
	for _, m := range e.filter.GetGrpcService().GetInitialMetadata() {
		ctx = metadata.AppendToOutgoingContext(ctx, m.GetKey(), m.GetValue())
	}
	got, err := authv3.NewAuthorizationClient(e.grpc).Check(ctx, check)
	switch {
	case err != nil:
		return e.failed(w)
	case got.GetStatus().GetCode() != int32(codes.OK):
		apply(w.Header(), got.GetDeniedResponse().GetHeaders())
		w.WriteHeader(int(got.GetDeniedResponse().GetStatus().GetCode()))
		_, _ = io.WriteString(w, got.GetDeniedResponse().GetBody())
		return false
	}
	ok := got.GetOkResponse()
	apply(r.Header, ok.GetHeaders())
	for _, name := range ok.GetHeadersToRemove() {
		r.Header.Del(name)
	}
	query := r.URL.Query()
	for _, name := range ok.GetQueryParametersToRemove() {
		query.Del(name)
		r.URL.RawQuery = query.Encode()
	}
	apply(w.Header(), ok.GetResponseHeadersToAdd())
	return true
}

func appendRaw(m *corev3.HeaderMap, name, value string) *corev3.HeaderMap {
	if m == nil {
		m = new(corev3.HeaderMap)
	}
	m.Headers = append(m.Headers, &corev3.HeaderValue{Key: strings.ToLower(name), RawValue: []byte(value)})
	return m
}

// apply changes headers as Envoy does. Without an append_action it appends.
func apply(headers http.Header, options []*corev3.HeaderValueOption) {
	for _, o := range options {
		switch name, value := o.GetHeader().GetKey(), o.GetHeader().GetValue(); o.GetAppendAction() {
		case corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD:
			headers.Set(name, value)
		case corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD:
			headers.Add(name, value)
		}
	}
}

func (e *standIn) askHTTP(w http.ResponseWriter, r *http.Request, service *filterv3.HttpService) bool {
	ask, err := http.NewRequestWithContext(r.Context(), r.Method, e.http+service.GetPathPrefix()+r.URL.RequestURI(), nil)
	if err != nil {
		return e.failed(w)
	}
	for name, values := range r.Header {
		if strings.EqualFold(name, "Authorization") || allowed(e.filter.GetAllowedHeaders(), name) {
			ask.Header[name] = values
		}
	}
	for _, h := range service.GetAuthorizationRequest().GetHeadersToAdd() {
		ask.Header.Set(h.GetKey(), h.GetValue())
	}
	res, err := http.DefaultTransport.RoundTrip(ask)
	if err != nil {
		return e.failed(w)
	}
	defer res.Body.Close()
	rules := service.GetAuthorizationResponse()
	switch {
	case res.StatusCode >= 500:
		return e.failed(w)
	case res.StatusCode != 200:
		copyAllowed(w.Header(), res.Header, rules.GetAllowedClientHeaders())
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
		return false
	}
	copyAllowed(r.Header, res.Header, rules.GetAllowedUpstreamHeaders())
	for name := range strings.SplitSeq(res.Header.Get("X-Envoy-Auth-Headers-To-Remove"), ",") {
		r.Header.Del(strings.Trim(name, " "))
	}
	copyAllowed(w.Header(), res.Header, rules.GetAllowedClientHeadersOnSuccess())
	return true
}

func copyAllowed(to, from http.Header, which *matcherv3.ListStringMatcher) {
	for name, values := range from {
		if allowed(which, name) {
			to[name] = slices.Clone(values)
		}
	}
}

// allowed reports whether one of the patterns matches the lower-case name of a header.
func allowed(which *matcherv3.ListStringMatcher, name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(which.GetPatterns(), func(p *matcherv3.StringMatcher) bool {
		return p.GetExact() == name || p.GetPrefix() != "" && strings.HasPrefix(name, p.GetPrefix())
	})
}
