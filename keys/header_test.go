package keys

import (
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"tollgate/bench/redistest"

	"github.com/redis/go-redis/v9"
)

// The Lua reader and writer of integers agree with Go's on every kind of number.
func TestIntegersAgreeWithLua(t *testing.T) {
	twin := NewScript(`
local out = {}
for i = 1, #ARGV[1], 7 do
  local n = u56(ARGV[1], i)
  out[#out + 1] = p56(n)
  if string.format('%.0f', n) ~= string.match(ARGV[2], '%d+', 1 + (i - 1) / 7 * 17) then return {'differs at ' .. i} end
end
return {concat(out)}`)
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := Open(c, Options{Timeout: 10 * time.Second})
		random := rand.New(rand.NewPCG(1, 2))
		for range 500 { // miniredis joins no more than some hundred at a time
			var packed []byte
			var decimal strings.Builder
			for range 200 {
				n := random.Int64N(MaxCount+1) >> random.IntN(54)
				switch random.IntN(10) {
				case 0:
					n = MaxCount
				case 1:
					n = 1<<random.IntN(53) - 1
				}
				packed = AppendU56(packed, n)
				decimal.WriteString(padDecimal(n))
			}
			reply, err := s.run(context.Background(), twin, []string{"tg:x"}, packed, decimal.String())
			if err != nil {
				t.Fatal(err)
			}
			if text(reply[0]) != string(packed) {
				t.Fatalf("%.60q", text(reply[0]))
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

// A damaged record is refused, never misread and never a panic. What is read can be
// written, and is then read as the same.
func FuzzDecodeKey(f *testing.F) {
	good := string(layoutVersion) + string(AppendU56(nil, 7)) + string(make([]byte, 14)) + "\x00" + string(encode(&Key{ID: "key_1"}))
	f.Add(good)
	f.Add(good[:30])
	f.Add("")
	f.Add("2" + good[1:])
	f.Fuzz(func(t *testing.T, stored string) {
		key, state, prefix, err := DecodeKey(stored)
		if err == nil && (key == nil || len(prefix) != revisionLength || len(state.Windows) != len(key.Limits)) {
			t.Errorf("%q: %+v", stored, key)
		}
		if err != nil {
			return
		}
		again, sameState, samePrefix, err := DecodeKey(stored[:HeaderLength(len(key.Limits))] + string(encode(key)))
		if err != nil || !reflect.DeepEqual(encode(again), encode(key)) || !reflect.DeepEqual(sameState, state) || samePrefix != prefix {
			t.Errorf("%q was written and read as %+v, %v", stored, again, err)
		}
	})
}
