package extauthz

import (
	"context"
	"errors"
	"slices"
	"time"

	"tollgate/cmd/tollgate/web"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// health is the health service: SERVING where /readyz is 200. It asks when it is asked.
type health struct {
	healthv1.UnimplementedHealthServer
	ready    func(context.Context) error
	draining chan struct{} // closed where it is not ready any more, for those who watch
}

// watchEvery is how often a watch looks again.
const watchEvery = time.Second

func (h *health) status(ctx context.Context) *healthv1.HealthCheckResponse {
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	if err := h.ready(ctx); err != nil && !errors.Is(err, web.ErrDegraded) {
		return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_NOT_SERVING}
	}
	return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVING}
}

// Check returns the status of a service.
func (h *health) Check(ctx context.Context, r *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	if !slices.Contains(services, r.GetService()) {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	return h.status(ctx), nil
}

// List returns the status of every service.
func (h *health) List(ctx context.Context, _ *healthv1.HealthListRequest) (*healthv1.HealthListResponse, error) {
	all := map[string]*healthv1.HealthCheckResponse{}
	now := h.status(ctx)
	for _, name := range services {
		all[name] = now
	}
	return &healthv1.HealthListResponse{Statuses: all}, nil
}

// Watch sends the status of a service, and each one that follows.
func (h *health) Watch(r *healthv1.HealthCheckRequest, stream grpc.ServerStreamingServer[healthv1.HealthCheckResponse]) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	draining := h.draining
	sent := healthv1.HealthCheckResponse_UNKNOWN
	for {
		now := &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVICE_UNKNOWN}
		if slices.Contains(services, r.GetService()) {
			now = h.status(stream.Context())
		}
		if now.GetStatus() != sent {
			if err := stream.Send(now); err != nil {
				return err
			}
			sent = now.GetStatus()
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-draining:
			draining = nil
		case <-tick.C:
		}
	}
}
