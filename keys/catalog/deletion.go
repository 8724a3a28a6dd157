package catalog

import (
	"context"
	"strings"

	"tollgate/keys/layout"

	"github.com/redis/go-redis/v9"
)

// PendingDeletion is an API in the set of those to sweep. It is looked at twice: at once,
// and a while later, for what came late.
type PendingDeletion struct{ Pass, WS, API string }

// String is the entry in the set of what is to be swept.
func (d PendingDeletion) String() string { return d.Pass + ":" + d.WS + ":" + d.API }

// PendingDeletionOf reads what String wrote.
func PendingDeletionOf(entry string) PendingDeletion {
	pass, rest, _ := strings.Cut(entry, ":")
	ws, api, _ := strings.Cut(rest, ":")
	return PendingDeletion{pass, ws, api}
}

// scheduleDeletion notes that an API is about to be deleted: before it is, so that a crash
// leaves nothing that no sweep would find.
func (s *Catalog) scheduleDeletion(ctx context.Context, ws, apiID string) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	return s.AddToSweep(ctx, now, PendingDeletion{"1", ws, apiID})
}

// AddToSweep has an API looked at from a moment on. It works while Redis is full: an
// API is deleted then as well, and what a sweep removes makes room.
func (s *Catalog) AddToSweep(ctx context.Context, at int64, d PendingDeletion) error {
	_, err := s.Run(ctx, AddToListScript, []string{layout.SweepName}, at, d.String())
	return err
}

// Sweeping reports whether the keys of a deleted API may still be being removed.
func (s *Catalog) Sweeping(ctx context.Context, ws, apiID string) (bool, error) {
	var first, second *redis.FloatCmd
	err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		first = p.ZScore(ctx, layout.SweepName, PendingDeletion{Pass: "1", WS: ws, API: apiID}.String())
		second = p.ZScore(ctx, layout.SweepName, PendingDeletion{Pass: "2", WS: ws, API: apiID}.String())
	})
	return first.Err() == nil || second.Err() == nil, err
}
