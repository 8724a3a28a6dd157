package ratelimit

import "testing"

func TestLimitCheck(t *testing.T) {
	const minute, hour = 60_000, 3600_000
	for _, c := range []struct {
		name           string
		limit          Limit
		least, longest int64
		field, message string
	}{
		{"smallest", Limit{Limit: 1, Duration: MinDuration}, 1, hour, "", ""},
		{"largest", Limit{Limit: MaxLimit, Duration: hour}, 1, hour, "", ""},
		{"longest of all", Limit{Limit: 1, Duration: MaxDuration}, 1, MaxDuration, "", ""},
		{"a name is the caller's", Limit{Name: "", Limit: 1, Duration: minute}, 1, hour, "", ""},
		{"one that blocks", Limit{Limit: 0, Duration: minute}, 0, hour, "", ""},
		{"one that must not block", Limit{Limit: 0, Duration: minute}, 1, hour, "limit", "a whole number from 1 to 9007199254740991"},
		{"negative", Limit{Limit: -1, Duration: minute}, 0, hour, "limit", "a whole number from 0 to 9007199254740991"},
		{"too many", Limit{Limit: MaxLimit + 1, Duration: minute}, 0, hour, "limit", "a whole number from 0 to 9007199254740991"},
		{"too short", Limit{Limit: 1, Duration: MinDuration - 1}, 1, hour, "duration", "milliseconds, from 1000 to 3600000"},
		{"too long", Limit{Limit: 1, Duration: hour + 1}, 1, hour, "duration", "milliseconds, from 1000 to 3600000"},
		{"the limit first", Limit{}, 1, hour, "limit", "a whole number from 1 to 9007199254740991"},
	} {
		err := c.limit.Check(c.least, c.longest)
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if out, ok := err.(*BoundsError); !ok || out.Field != c.field || out.Error() != c.message {
			t.Errorf("%s: %#v, want %s: %s", c.name, err, c.field, c.message)
		}
	}
}
