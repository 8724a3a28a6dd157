package extauthz

import (
	"context"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/verify/authz"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// RootKeyMetadata is the metadata of a call in which Envoy sends a root key.
const RootKeyMetadata = "x-tollgate-root-key"

// policyName is the extension that names a policy.
const policyName = "policy"

const bothWays = "ask with apiId and the other names of /forward-auth in context_extensions and a root key in the metadata " + RootKeyMetadata +
	", or with policy alone and a policy of that name in --forward-auth-policies"

// misconfigured is the error of a proxy that asks in neither way.
func misconfigured(why string) error { return &authz.QuestionError{Message: why + ": " + bothWays} }

// answer decides about the key that the client sent.
func (s *Server) answer(ctx context.Context, r *authv3.CheckRequest) (*authz.Answer, *authz.Question) {
	question, root, err := s.question(ctx, r.GetAttributes().GetContextExtensions())
	if err != nil {
		return new(authz.Question).Failed(err), nil
	}
	request := message{r.GetAttributes().GetRequest().GetHttp()}
	key, refused := question.Find(authz.Message{Lines: request.lines, URI: request.GetPath()})
	if refused != nil {
		return refused, question
	}
	caller := authz.Caller{Key: key, RootKey: root}
	caller.Address, caller.Source = s.addresses(ctx, r)
	return question.Ask(ctx, s.config.Verifier, caller), question
}

// question returns what is asked, and with which root key.
func (s *Server) question(ctx context.Context, extensions map[string]string) (*authz.Question, keys.Secret, error) {
	if name, named := extensions[policyName]; named {
		p := s.config.Policies.All()[name]
		switch {
		case len(extensions) > 1:
			return nil, keys.Secret{}, misconfigured("policy is given beside something else")
		case p == nil:
			return nil, keys.Secret{}, misconfigured("there is no such policy")
		}
		return p.Question, p.RootKey, nil
	}
	if p := s.config.Policies.All()[s.config.Default]; p != nil && len(extensions) == 0 {
		return p.Question, p.RootKey, nil
	}
	question, err := parse(extensions)
	if err != nil {
		return nil, keys.Secret{}, err
	}
	root, err := authz.ParseRootKey("the metadata "+RootKeyMetadata, metadata.ValueFromIncomingContext(ctx, RootKeyMetadata))
	if err != nil {
		return nil, keys.Secret{}, misconfigured(err.Error())
	}
	return question, root, nil
}

// parse reads a question.
func parse(extensions map[string]string) (*authz.Question, error) {
	size := 0
	for name, value := range extensions {
		size += len(name) + len(value)
	}
	switch {
	case size == 0:
		return nil, misconfigured("nothing is asked")
	case size > authz.MaxQuestion:
		return nil, misconfigured("context_extensions are too long")
	}
	return authz.ParseQuestion(ordered(extensions))
}

// ordered returns a map in the order of its names: of several faults it is always the same
// one that is named.
func ordered(all map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if !yield(name, all[name]) {
				return
			}
		}
	}
}

// addresses returns that of the client, and by what root keys that are not known are counted:
// whoever sends them is the other end of the connection, not the client.
func (s *Server) addresses(ctx context.Context, r *authv3.CheckRequest) (client, source netip.Addr) {
	var other netip.Addr
	if p, ok := peer.FromContext(ctx); ok {
		other = web.AddressOf(p.Addr)
	}
	said := r.GetAttributes().GetSource().GetAddress().GetSocketAddress().GetAddress()
	request := message{r.GetAttributes().GetRequest().GetHttp()}
	return s.config.Addresses.Asked(other, web.ParseAddress(said), request.values), web.Network(other)
}
