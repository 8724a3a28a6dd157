package main

import (
	"net/netip"
	"strings"
	"time"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// guessGuard slows down an address that sends one unknown root key after the other. No
// guess can succeed against 128 random bits; what the guard saves is the store's time
// and the logs. It looks at root keys alone, so whoever verifies with v1, which takes
// none, is not touched by it, and a root key that this gateway knows goes through from
// any address.
type guessGuard struct {
	burst     int
	addresses *otter.Cache[netip.Addr, *rate.Limiter] // with unknown root keys lately
	knows     func(keys.Secret) bool
	refused   func() // counts
}

// guessesPerSecond is how fast an address that used up its burst may go on.
const guessesPerSecond = 1

// maxGuessers bounds the memory of a guard. With more addresses at it, the one that
// was idle for longest is forgotten.
const maxGuessers = 50_000

func newGuessGuard(burst int) *guessGuard {
	return &guessGuard{
		burst:   burst,
		refused: func() {},
		addresses: otter.Must(&otter.Options[netip.Addr, *rate.Limiter]{
			MaximumSize:      maxGuessers,
			ExpiryCalculator: otter.ExpiryAccessing[netip.Addr, *rate.Limiter](time.Duration(burst)*time.Second/guessesPerSecond + time.Minute),
		}),
	}
}

// admit refuses an unknown root key from an address that has sent too many.
func (g *guessGuard) admit(c *web.Call) error {
	if g.burst == 0 || g.addresses.EstimatedSize() == 0 {
		return nil
	}
	limiter, ok := g.addresses.GetIfPresent(guesser(c))
	if !ok || limiter.Tokens() >= 1 {
		return nil
	}
	_, token, _ := strings.Cut(c.Authorization(), " ")
	if token == "" || g.knows(keys.NewSecret(strings.TrimSpace(token))) {
		return nil
	}
	g.refused()
	c.SetHeader("Retry-After", "1")
	return keys.Errorf(keys.KindRateLimited, "key", "too many unknown root keys from your address")
}

// observe counts an answer that said that a root key is unknown.
func (g *guessGuard) observe(c *web.Call) {
	if g.burst == 0 || c.Cause() == nil || keys.AsError(c.Cause()).Kind != keys.KindUnauthenticated || c.Authorization() == "" {
		return
	}
	limiter, _ := g.addresses.ComputeIfAbsent(guesser(c), func() (*rate.Limiter, bool) {
		return rate.NewLimiter(guessesPerSecond, g.burst), false
	})
	limiter.Allow()
}

// guesser is by what an address's guesses are counted. Where it is unknown the peer
// counts: addresses that can't be read are not one for the whole world.
func guesser(c *web.Call) netip.Addr {
	client := c.Client()
	if !client.IsValid() {
		client = c.Peer()
	}
	return web.Network(client)
}
