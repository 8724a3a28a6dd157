package extauthz

import (
	"context"
	"runtime/debug"
	"strings"

	"tollgate/keys/redisdb"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// requestStart is under which the store finds when a check began.
var requestStart = redisdb.RequestStart{}

var (
	errBusy       = status.Error(codes.ResourceExhausted, "too many checks at once")
	errInternal   = status.Error(codes.Internal, "internal error")
	errNotServing = status.Error(codes.Unavailable, "starting or shutting down")
)

// begin is called for each call, before its message is read. It bounds how many checks there
// are at once, and how long one may take: gRPC itself waits for ever for a message that does
// not arrive. It must not block, and it does not.
func (s *Server) begin(ctx context.Context, info *tap.Info) (context.Context, error) {
	if isStream(info.FullMethodName) {
		return ctx, nil
	}
	if s.checks.Add(1) > s.config.MaxMemory/MaxMessage {
		s.checks.Add(-1)
		return ctx, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.RequestTimeout)
	context.AfterFunc(ctx, func() {
		s.checks.Add(-1)
		cancel()
	})
	return ctx, nil
}

// isStream reports whether a method is one that may take for ever: a watch of the health, and
// reflection.
func isStream(method string) bool {
	return strings.HasPrefix(method, "/grpc.") && !strings.HasSuffix(method, "/Check") && !strings.HasSuffix(method, "/List")
}

// unary ends a panic in a call: one that left the handler would end the program. Check has
// its own, which refuses.
func (s *Server) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (response any, err error) {
	defer s.recover(info.FullMethod, &err)
	return handle(ctx, request)
}

// stream ends a panic too, and a stream that goes on when the server drains.
func (s *Server) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ended := make(chan error, 1)
	go func() {
		var err error
		defer func() { ended <- err }()
		defer s.recover(info.FullMethod, &err)
		err = handle(service, stream)
	}()
	select {
	case err := <-ended:
		return err
	case <-s.ended:
		return errNotServing
	}
}

func (s *Server) recover(method string, err *error) {
	if v := recover(); v != nil {
		s.log.panicked(method, v, debug.Stack())
		*err = errInternal
	}
}

// services are those that the health service knows; "" is all of them.
var services = []string{"", authv3.Authorization_ServiceDesc.ServiceName}
