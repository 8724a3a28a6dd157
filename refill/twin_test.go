package refill

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

// TestTwin holds refill.lua against Settle and Next.
func TestTwin(t *testing.T) {
	cases := twinCases(redistest.Rand(t), 100_000)
	const twin = `
local function twin(balance, next, amount, day, now)
  local b, n = refill_settle(balance, next, amount, day, now)
  return b, n, refill_next(day, now)
end`
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		for i, got := range redistest.Twin(t, c, Lua+twin, cases) {
			balance, next, amount, day, now := cases[i][0], cases[i][1], cases[i][2], cases[i][3], cases[i][4]
			s := Schedule{Amount: amount, Day: int(day)}
			b, n := s.Settle(balance, next, now)
			if want := []int64{b, n, s.Next(now)}; !slices.Equal(got, want) {
				t.Fatalf("%+v.Settle(%d, %s, %s) = %v, Go says %v", s, balance, show(next), show(now), got, want)
			}
		}
	})
}

// twinCases makes n cases of balance, next, amount, day and now.
func twinCases(r *rand.Rand, n int) [][]int64 {
	cases := make([][]int64, n)
	for i := range cases {
		s := Schedule{Amount: count(r), Day: days[r.IntN(len(days))]}
		now := instant(r, s)
		cases[i] = []int64{count(r) - r.Int64N(2), waited(r, s, now), s.Amount, int64(s.Day), now}
	}
	return cases
}

// days are those of a schedule, the awkward ones more often.
var days = []int{
	0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
	28, 28, 29, 29, 29, 30, 30, 30, 31, 31, 31, 31,
}

// count is a balance or an amount, of every size and at the ends.
func count(r *rand.Rand) int64 {
	switch r.IntN(8) {
	case 0:
		return 1
	case 1:
		return MaxAmount
	case 2:
		return MaxAmount - r.Int64N(3)
	}
	return 1 + r.Int64N(MaxAmount>>r.IntN(52))
}

// instant is any time, or one close to a boundary or to an end of February.
func instant(r *rand.Rand, s Schedule) int64 {
	now := r.Int64N(endOfTime)
	switch r.IntN(4) {
	case 0:
		now = s.Next(now)
	case 1:
		year := []int{1970, 1972, 1999, 2000, 2024, 2026, 2028, 2096, 2100, 2104, 2400, 9996, 9999}[r.IntN(13)]
		now = time.Date(year, time.Month(1+r.IntN(12)), 27+r.IntN(6), 0, 0, 0, 0, time.UTC).UnixMilli()
	}
	if r.IntN(2) == 0 {
		now += []int64{-1, 0, 1, -day, day}[r.IntN(5)]
	}
	return min(max(now, 0), endOfTime)
}

// waited is the boundary a balance waits for: the right one, one long missed,
// one that is due now, or one from before the clock stepped back, also as far ahead as
// one can be.
func waited(r *rand.Rand, s Schedule, now int64) int64 {
	switch r.IntN(7) {
	case 0:
		return 0
	case 1:
		return now
	case 2:
		return max(0, s.Last(now))
	case 3:
		return s.Next(max(0, now-r.Int64N(400*day)))
	case 4:
		return s.Next(min(endOfTime, now+r.Int64N(400*day)))
	case 5:
		return min(endOfTime, now+[]int64{day, 31 * day}[r.IntN(2)]+r.Int64N(3)-1)
	}
	return s.Next(now)
}
