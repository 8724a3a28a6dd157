package catalog

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"tollgate/keys/redisdb"
)

// tries bounds how often what others are changing at the same time is attempted before
// the caller is told that the store is busy; pausingTries with a pause after each.
const (
	tries        = 16
	pausingTries = 4 * tries
)

// ErrBusy says that somebody else changed what was read, again and again.
var ErrBusy = errors.New("the definitions kept changing while they were read")

// Retry makes attempts until one is done or fails, and returns its error. It is
// KindUnavailable with ErrBusy where none of them was done.
func Retry(attempt func() (done bool, err error)) error {
	for range tries {
		if done, err := attempt(); done || err != nil {
			return err
		}
	}
	return redisdb.Unavailable(ErrBusy)
}

// RetryPausing is Retry with more attempts and a pause after each: for changes of one
// record that many may make at once.
func RetryPausing(ctx context.Context, attempt func() (done bool, err error)) error {
	for try := range pausingTries {
		if done, err := attempt(); done || err != nil {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	return redisdb.Unavailable(ErrBusy)
}

// pause lets the others go ahead who change the same definition: longer the more
// often they were quicker, and not as long as they.
func pause(ctx context.Context, try int) error {
	timer := time.NewTimer(rand.N(time.Duration(min(try+1, 10)) * time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return redisdb.Unavailable(ctx.Err())
	}
}
