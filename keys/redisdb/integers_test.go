package redisdb

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

// The Lua reader and writer of integers agree with Go's on every kind of number.
func TestIntegersAgreeWithLua(t *testing.T) {
	twin := NewScript(StateLua, `
local out = {}
for i = 1, #ARGV[1], 7 do
  local n = u56(ARGV[1], i)
  out[#out + 1] = p56(n)
  if string.format('%.0f', n) ~= string.match(ARGV[2], '%d+', 1 + (i - 1) / 7 * 17) then return {'differs at ' .. i} end
end
return {concat(out)}`)
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := NewDB(c, 10*time.Second, "test")
		random := rand.New(rand.NewPCG(1, 2))
		for range 500 { // miniredis joins no more than some hundred at a time
			var packed []byte
			var decimal strings.Builder
			for range 200 {
				n := random.Int64N(keys.MaxCount+1) >> random.IntN(54)
				switch random.IntN(10) {
				case 0:
					n = keys.MaxCount
				case 1:
					n = 1<<random.IntN(53) - 1
				}
				packed = layout.AppendU56(packed, n)
				decimal.WriteString(padDecimal(n))
			}
			reply, err := s.Run(context.Background(), twin, []string{"tg:x"}, packed, decimal.String())
			if err != nil {
				t.Fatal(err)
			}
			if Text(reply[0]) != string(packed) {
				t.Fatalf("%.60q", Text(reply[0]))
			}
		}
	})
}

// padDecimal writes a number of up to 16 digits and blanks, 17 characters in all.
func padDecimal(n int64) string {
	digits := ""
	for ; n > 0 || digits == ""; n /= 10 {
		digits = string(rune('0'+n%10)) + digits
	}
	return digits + strings.Repeat(" ", 17-len(digits))
}
