// Package guesses slows down whoever guesses root keys.
package guesses

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"tollgate/keys"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// Guard slows down an address that sends one unknown root key after the other, and
// tells the operator. No guess can succeed against 128 random bits, and each was looked up
// before the guard hears of it, so this costs nobody else anything: a root key that is
// valid never comes here. Whoever verifies with v1, which takes none, does not either.
type Guard struct {
	Refused func() // is called for each refusal, where it is not nil; set before the first

	burst    int
	guessers *otter.Cache[netip.Addr, *guesser] // with unknown root keys lately
	warnings *rate.Limiter                      // of all addresses
	log      *slog.Logger
	Met      func() // is told of each unknown root key; nil for nobody
}

// guesser is an address that sends unknown root keys.
type guesser struct {
	limiter *rate.Limiter
	refused atomic.Int64 // since the last warning
	warning rate.Sometimes
}

// guessesPerSecond is how fast an address that used up its burst may go on.
const guessesPerSecond = 1

// maxGuessers bounds the memory of a guard. With more addresses at it, the one that
// was idle for longest is forgotten.
const maxGuessers = 50_000

// warnEvery is how often the log says that an address is guessing. Of all addresses
// together it says so a few times at once, and then once a second.
const (
	warnEvery     = time.Minute
	warningsFirst = 10
)

// New makes a guard that lets an address send burst unknown root keys in a row; 0 is unlimited.
func New(burst int, log *slog.Logger) *Guard {
	return &Guard{
		burst:    burst,
		log:      log,
		warnings: rate.NewLimiter(rate.Every(time.Second), warningsFirst),
		guessers: otter.Must(&otter.Options[netip.Addr, *guesser]{
			MaximumSize:      maxGuessers,
			ExpiryCalculator: otter.ExpiryAccessing[netip.Addr, *guesser](time.Duration(burst)*time.Second/guessesPerSecond + time.Minute),
		}),
	}
}

// Guessed is told from where an unknown root key came, as web.Call.Source has it. It
// returns what to answer where that address has sent too many. A source without an address
// is not counted: it would be one for everybody.
func (g *Guard) Guessed(source netip.Addr) error {
	if g.Met != nil {
		g.Met()
	}
	if g.burst == 0 || !source.IsValid() {
		return nil
	}
	who, _ := g.guessers.ComputeIfAbsent(source, func() (*guesser, bool) {
		return &guesser{limiter: rate.NewLimiter(guessesPerSecond, g.burst), warning: rate.Sometimes{First: 1, Interval: warnEvery}}, false
	})
	if who.limiter.Allow() {
		return nil
	}
	if g.Refused != nil {
		g.Refused()
	}
	who.refused.Add(1)
	who.warning.Do(func() { g.warn(source, who) })
	refusal := keys.Errorf(keys.KindRateLimited, "key", "too many unknown root keys from your address")
	refusal.RetryAfter = time.Second / guessesPerSecond
	return refusal
}

// warn says who is guessing, and how many guesses were refused since it last said so.
func (g *Guard) warn(source netip.Addr, who *guesser) {
	if g.warnings.Allow() {
		g.log.Warn("an address sends unknown root keys: they are answered 429", "address", addressText(source), "refused", who.refused.Swap(0), "burst", g.burst)
	}
}

// addressText is an IPv4 address, or the IPv6 network by which web.Network counts.
func addressText(source netip.Addr) string {
	if source.Is6() {
		return netip.PrefixFrom(source, 64).String()
	}
	return source.String()
}
