// Package extauthz answers Envoy's ext_authz filter over gRPC: the service
// envoy.service.auth.v3.Authorization, which also the ExternalAuth filter of the Gateway API
// speaks. It maps names and shapes, and decides nothing: the answers are those of package
// verify/authz, as with package forwardauth.
//
// # What is asked
//
// The question is in the context_extensions of the route, in one of two ways, and never in
// what the client sent:
//
//   - The names of /forward-auth, such as apiId, permissions and cost, with a root key in the
//     metadata x-tollgate-root-key of the call (initial_metadata of the filter's grpc_service).
//   - policy, and nothing beside it: the policy of that name is the question, and has the root
//     key. One in the metadata is not read.
//
// The Gateway API's ExternalAuth can send neither over gRPC. So a check without
// context_extensions is decided by Config.Default, a policy that the operator has named for
// this; without one it is refused.
//
// # What is believed
//
// Envoy writes the message, so headers and path of the client's request are what the client
// sent: a key in the query is read from the path that Envoy says, whoever Envoy is. Only the
// client's address decides for somebody who did not send it, and is believed by the rule of
// web.Addresses: where the other end of the gRPC connection is one of --trusted-proxies, the
// client is who sent Envoy the request (source.address), or, where that is a trusted proxy
// too, who X-Forwarded-For says, from the right. From any other peer the client is the peer.
//
// Envoy joins the lines of a header with commas. They are parted again where a key is looked
// for: two keys in two lines are two keys. So a key with a comma in it can't be sent.
//
// # What is answered
//
// Every check is answered with a CheckResponse, also one that is asked wrongly (500) and one
// that could not be decided (503 with Retry-After): as a DeniedHttpResponse these refuse the
// request whatever failure_mode_allow says, which would let it through where the call itself
// failed. What remains for failure_mode_allow, and must be false there, are calls that get no
// answer: no gateway, a message that is too large, a time-out of Envoy's.
//
// An OkHttpResponse overwrites the nine identity headers, takes the key out of the request,
// and adds the RateLimit headers to the answer of whoever serves it. The dynamic metadata of
// every answer has its code, and of one that allows key_id and owner.
package extauthz
