package ratelimit

import (
	"math/rand/v2"
	"testing"

	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

// TestTwin holds window.lua against At and Check. What the script computes is
// the room; a decision is its comparison with the cost.
func TestTwin(t *testing.T) {
	cases := twinCases(redistest.Rand(t), 100_000)
	const twin = `
local function twin(w, c, p, limit, duration, cost, now)
  local list = {w, c, p}
  local room, ahead = window_look(list, 1, limit, duration, now)
  w, c, p = unpack(list)
  return w, c, p, room, limit > 0 and cost <= room and 1 or 0, ahead and 1 or 0
end`
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		for i, got := range redistest.Twin(t, c, Lua+twin, cases) {
			w, limit, duration, cost, now := split(cases[i])
			rolled := w.At(now, duration)
			room := rolled.room(limit, duration, now)
			d := Check(w, limit, duration, cost, now)
			if len(got) != 6 || (got[5] == 1) != (w.Index > rolled.Index) || (Window{got[0], got[1], got[2]}) != rolled || !same(got[3], room) || (got[4] == 1) != d.Allowed {
				t.Fatalf("Check(%+v, limit %d, duration %d, cost %d, now %d): %v, Go says %+v with room %d",
					w, limit, duration, cost, now, got, d, room)
			}
		}
	})
}

func split(c []int64) (w Window, limit, duration, cost, now int64) {
	return Window{c[0], c[1], c[2]}, c[3], c[4], c[5], c[6]
}

// same compares two rooms; so far below zero that a float64 rounds, by sign.
func same(lua, goes int64) bool {
	return lua == goes || lua < -MaxLimit && goes < -MaxLimit
}

// twinCases makes n cases of a window's three numbers, limit, duration, cost and now.
func twinCases(r *rand.Rand, n int) [][]int64 {
	cases := make([][]int64, n)
	for i := range cases {
		duration := length(r)
		now := instant(r, duration)
		limit := count(r)
		index := max(0, now/duration+[]int64{0, 0, 0, -1, -1, -2, 1, -r.Int64N(1000), r.Int64N(1000)}[r.IntN(9)])
		w := Window{index, below(r, limit), below(r, limit)}
		cases[i] = []int64{w.Index, w.Current, w.Previous, limit, duration, price(r, w, limit, duration, now), now}
	}
	return cases
}

// length is a duration people use, or one of any size.
func length(r *rand.Rand) int64 {
	usual := []int64{MinDuration, 10_000, 60_000, 3_600_000, 86_400_000, 30 * 86_400_000, MaxDuration - 1, MaxDuration}
	if i := r.IntN(2 * len(usual)); i < len(usual) {
		return usual[i]
	}
	return MinDuration + r.Int64N((MaxDuration-MinDuration)>>r.IntN(36)+1)
}

// instant is any time up to the year 9999, or one at a window's border.
func instant(r *rand.Rand, duration int64) int64 {
	const end = 253402300799999
	now := r.Int64N(end)
	if r.IntN(2) == 0 {
		now = now/duration*duration + []int64{-1, 0, 1, duration - 1, duration / 2}[r.IntN(5)]
	}
	return min(max(0, now), end)
}

// count is a limit or a count, of every size and at the ends.
func count(r *rand.Rand) int64 {
	switch r.IntN(10) {
	case 0:
		return 0
	case 1:
		return MaxLimit - r.Int64N(2)
	}
	return r.Int64N(MaxLimit>>r.IntN(53) + 1)
}

// below is a count, mostly one that the limit admits.
func below(r *rand.Rand, limit int64) int64 {
	if r.IntN(4) == 0 {
		return count(r)
	}
	return r.Int64N(limit + 1)
}

// price is a cost; often the one that just fits, or one more.
func price(r *rand.Rand, w Window, limit, duration, now int64) int64 {
	switch r.IntN(5) {
	case 0:
		return 0
	case 1:
		return min(limit+1, MaxLimit)
	case 2:
		return count(r)
	}
	room := w.At(now, duration).room(limit, duration, now)
	return min(max(0, room+r.Int64N(2)), MaxLimit)
}
