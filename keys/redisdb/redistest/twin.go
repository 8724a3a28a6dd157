package redistest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Rand returns the source of a test's random cases. Its seed is 1 unless
// TOLLGATE_SEED says otherwise, and is logged, so that a failure can be seen
// again and a night can look for others.
func Rand(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := uint64(1)
	if s := os.Getenv("TOLLGATE_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			tb.Fatalf("TOLLGATE_SEED: %v", err)
		}
		seed = n
	}
	tb.Logf("TOLLGATE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// twinLoop calls twin with each case of ARGV. Numbers travel as text both
// ways: Redis cuts the fraction of a returned number, and Lua's own
// conversion keeps 14 digits.
const twinLoop = `
local width, out = tonumber(ARGV[1]), {}
for i = 2, #ARGV, width do
  local case = {}
  for j = 1, width do case[j] = tonumber(ARGV[i + j - 1]) end
  local got = {twin(unpack(case))}
  for j = 1, #got do got[j] = string.format('%.0f', got[j]) end
  out[#out + 1] = table.concat(got, ' ')
end
return out`

// Twin runs a Lua function on many cases inside Redis and returns what it gave
// for each. lua must leave a local function named twin, which takes as many
// numbers as each case has and returns numbers.
func Twin(tb testing.TB, c redis.UniversalClient, lua string, cases [][]int64) [][]int64 {
	tb.Helper()
	const batch = 1000
	results := make([][]int64, 0, len(cases))
	for from := 0; from < len(cases); from += batch {
		args := []any{len(cases[0])}
		for _, one := range cases[from:min(from+batch, len(cases))] {
			for _, n := range one {
				args = append(args, n)
			}
		}
		lines, err := c.Eval(ctx, lua+twinLoop, nil, args...).StringSlice()
		if err != nil {
			tb.Fatalf("redistest: twin: %v", err)
		}
		for _, line := range lines {
			results = append(results, integers(tb, line))
		}
	}
	return results
}

// integers reads one line of twinLoop's.
func integers(tb testing.TB, line string) []int64 {
	tb.Helper()
	var list []int64
	for _, word := range strings.Fields(line) {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			tb.Fatalf("redistest: twin: %v", err)
		}
		list = append(list, n)
	}
	return list
}
