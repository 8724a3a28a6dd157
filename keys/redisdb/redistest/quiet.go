package redistest

import (
	"github.com/redis/go-redis/v9/logging"
)

// go-redis prints every failed dial, and here servers fail on purpose.
func init() { logging.Disable() }
