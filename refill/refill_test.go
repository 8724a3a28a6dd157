package refill

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ms reads an instant as people write it.
func ms(t testing.TB, text string) int64 {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05.000", text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

func show(at int64) string { return time.UnixMilli(at).UTC().Format("2006-01-02 15:04:05.000") }

func TestBoundaries(t *testing.T) {
	for _, c := range []struct {
		story           string
		day             int
		now, last, next string
	}{
		{"every day, in the middle of one", 0, "2026-11-21 12:34:56.789", "2026-11-21 00:00:00.000", "2026-11-22 00:00:00.000"},
		{"midnight belongs to the day it begins", 0, "2026-11-21 00:00:00.000", "2026-11-21 00:00:00.000", "2026-11-22 00:00:00.000"},
		{"a millisecond before midnight", 0, "2026-12-31 23:59:59.999", "2026-12-31 00:00:00.000", "2027-01-01 00:00:00.000"},
		{"the first of the month", 1, "2026-11-21 12:00:00.000", "2026-11-01 00:00:00.000", "2026-12-01 00:00:00.000"},
		{"the boundary itself waits a month", 15, "2026-11-15 00:00:00.000", "2026-11-15 00:00:00.000", "2026-12-15 00:00:00.000"},
		{"and a millisecond before it does not", 15, "2026-11-14 23:59:59.999", "2026-10-15 00:00:00.000", "2026-11-15 00:00:00.000"},
		{"the 31st in a month of 30 days is the 30th", 31, "2026-11-21 00:00:00.000", "2026-10-31 00:00:00.000", "2026-11-30 00:00:00.000"},
		{"from there on to the real 31st", 31, "2026-11-30 00:00:00.000", "2026-11-30 00:00:00.000", "2026-12-31 00:00:00.000"},
		{"the 30th in February is the 28th", 30, "2027-02-01 00:00:00.000", "2027-01-30 00:00:00.000", "2027-02-28 00:00:00.000"},
		{"and the 29th in a leap year", 30, "2028-02-28 23:00:00.000", "2028-01-30 00:00:00.000", "2028-02-29 00:00:00.000"},
		{"29 February, and then 29 March", 29, "2028-02-29 00:00:00.000", "2028-02-29 00:00:00.000", "2028-03-29 00:00:00.000"},
		{"2000 was a leap year", 31, "2000-02-15 00:00:00.000", "2000-01-31 00:00:00.000", "2000-02-29 00:00:00.000"},
		{"2100 will not be one", 31, "2100-02-15 00:00:00.000", "2100-01-31 00:00:00.000", "2100-02-28 00:00:00.000"},
		{"over New Year", 31, "2026-12-31 00:00:00.000", "2026-12-31 00:00:00.000", "2027-01-31 00:00:00.000"},
		{"at the epoch", 1, "1970-01-01 00:00:00.000", "1970-01-01 00:00:00.000", "1970-02-01 00:00:00.000"},
		{"before the first boundary of all", 31, "1970-01-01 00:00:00.000", "1969-12-31 00:00:00.000", "1970-01-31 00:00:00.000"},
		{"near the end of time", 31, "9999-12-30 23:59:59.999", "9999-11-30 00:00:00.000", "9999-12-31 00:00:00.000"},
	} {
		t.Run(c.story, func(t *testing.T) {
			s := Schedule{Amount: 1, Day: c.day}
			now := ms(t, c.now)
			if got := show(s.Last(now)); got != c.last {
				t.Errorf("last %s, want %s", got, c.last)
			}
			if got := show(s.Next(now)); got != c.next {
				t.Errorf("next %s, want %s", got, c.next)
			}
		})
	}
}

// TestAStory follows one key with 100 uses a month, on the 31st.
func TestAStory(t *testing.T) {
	s := Schedule{Amount: 100, Day: 31}
	next := s.Next(ms(t, "2026-01-10 09:00:00.000"))
	for _, c := range []struct {
		story   string
		now     string
		balance int64
		want    int64
		next    string
	}{
		{"used up in January: nothing comes before the 31st", "2026-01-30 23:59:59.999", 0, 0, "2026-01-31 00:00:00.000"},
		{"on the 31st it is full", "2026-01-31 00:00:00.000", 0, 100, "2026-02-28 00:00:00.000"},
		{"what was spent the same day stays spent", "2026-01-31 00:00:00.001", 99, 99, "2026-02-28 00:00:00.000"},
		{"three months unseen: full once, not three times", "2026-05-02 00:00:00.000", 40, 100, "2026-05-31 00:00:00.000"},
		{"bought 500: a refill never takes away", "2026-05-31 00:00:00.000", 500, 500, "2026-06-30 00:00:00.000"},
		{"the clock stepped back: nothing happens twice", "2026-05-31 00:00:00.000", 10, 10, "2026-06-30 00:00:00.000"},
		{"it stepped back for months: the next boundary is believed no more", "2026-04-01 00:00:00.000", 10, 10, "2026-04-30 00:00:00.000"},
	} {
		got, after := s.Settle(c.balance, next, ms(t, c.now))
		if got != c.want || show(after) != c.next {
			t.Errorf("%s: %d, next %s; want %d, %s", c.story, got, show(after), c.want, c.next)
		}
		next = after
	}
}

// TestBoundaryOfAWrongClock: a boundary that was computed at a time that had not come
// yet ends no refill: it is computed anew, raises nothing, and the next one comes. One that
// a step back across one boundary explains stays: that refill came already.
func TestBoundaryOfAWrongClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schedules().Draw(t, "schedule")
		now, wrong := rapid.Int64Range(0, endOfTime/2).Draw(t, "now"), rapid.Int64Range(0, endOfTime).Draw(t, "wrong")
		next := s.Next(max(now, wrong))
		balance, after := s.Settle(0, next, now)
		if second := s.Next(s.Next(now)); balance != 0 || after <= now || after > second || next > second && after != s.Next(now) {
			t.Fatalf("at %s, waiting for %s: balance %d, next %s", show(now), show(next), balance, show(after))
		}
		if balance, _ = s.Settle(balance, after, after); balance != s.Amount {
			t.Fatalf("at %s: balance %d", show(after), balance)
		}
	})
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		s    Schedule
		want error
	}{
		{Schedule{1, 0}, nil}, {Schedule{MaxAmount, 31}, nil}, {Schedule{5, 1}, nil},
		{Schedule{0, 1}, ErrAmount}, {Schedule{-1, 1}, ErrAmount}, {Schedule{MaxAmount + 1, 1}, ErrAmount},
		{Schedule{1, -1}, ErrDay}, {Schedule{1, 32}, ErrDay},
	} {
		if got := c.s.Check(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.s, got, c.want)
		}
	}
}

const endOfTime = 253402300799999 // 9999-12-31 23:59:59.999

func schedules() *rapid.Generator[Schedule] {
	return rapid.Custom(func(t *rapid.T) Schedule {
		return Schedule{Amount: rapid.Int64Range(1, MaxAmount).Draw(t, "amount"), Day: rapid.IntRange(0, 31).Draw(t, "day")}
	})
}

// TestBoundariesAreNeighbours: last <= now < next, and nothing lies between.
func TestBoundariesAreNeighbours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, now := schedules().Draw(t, "schedule"), rapid.Int64Range(0, endOfTime).Draw(t, "now")
		last, next := s.Last(now), s.Next(now)
		if last > now || next <= now || s.Next(last) != next || s.Last(next-1) != last || s.Last(next) != next {
			t.Fatalf("%s: last %s, next %s", show(now), show(last), show(next))
		}
		if days := (next - last) / day; days < 1 || days > 31 || s.Day > 0 && days < 28 {
			t.Fatalf("%d days from %s to %s", days, show(last), show(next))
		}
	})
}

// TestOncePerBoundary spends everything at random instants: what comes back is
// the amount, once for each stretch between boundaries that was seen.
func TestOncePerBoundary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schedules().Draw(t, "schedule")
		now := rapid.Int64Range(0, endOfTime/2).Draw(t, "start")
		next, seen, refills := s.Next(now), map[int64]bool{s.Last(now): true}, 0
		for _, step := range rapid.SliceOf(rapid.Int64Range(0, 70*day)).Draw(t, "steps") {
			now += step
			var balance int64
			balance, next = s.Settle(0, next, now)
			if balance != 0 {
				refills++
			}
			seen[s.Last(now)] = true
			if balance != 0 && balance != s.Amount || refills != len(seen)-1 || next != s.Next(now) {
				t.Fatalf("%s: balance %d, %d refills, %d stretches seen, next %s", show(now), balance, refills, len(seen), show(next))
			}
		}
	})
}

func ExampleSchedule_Settle() {
	monthly := Schedule{Amount: 1000, Day: 31}
	feb := time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC).UnixMilli()
	balance, next := monthly.Settle(3, feb, feb)
	fmt.Println(balance, time.UnixMilli(next).UTC().Format(time.DateOnly))
	// Output: 1000 2026-03-31
}
