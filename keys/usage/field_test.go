package usage

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What stands in Redis is read as what was written, and is written as it was read.
func TestFieldsAreReadAsWritten(t *testing.T) {
	for name, want := range map[string]field{
		"aV":                 {0, Valid, ""},
		"xU":                 {23, Exceeded, ""},
		"jL\x00\x00":         {9, RateLimited, joinNumbers([]int{otherNumber})},
		"bP\x00\x01\x03\xe8": {1, Insufficient, joinNumbers([]int{1000, 1, 1000})},
	} {
		if got, n, ok := parseField(name, "7"); !ok || got != want || n != 7 || got.String() != name {
			t.Errorf("%q: %+v, %d, %v; written as %q", name, got, n, ok, got)
		}
	}
	for name, count := range map[string]string{"": "1", "a": "1", "aV": "many"} {
		if f, n, ok := parseField(name, count); ok {
			t.Errorf("%q = %q is read as %+v, %d", name, count, f, n)
		}
	}
}

// A day that is dumped and restored where its tags have other numbers is the same day.
func TestDaysKeepTheirTags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := map[int]string{1: "a", 2: "b", 3: "c"}
		numbers := map[string]int{"a": 900, "b": 7, "c": 21}
		fields, want := map[string]string{}, map[field]int64{}
		for _, hour := range rapid.SliceOfNDistinct(rapid.IntRange(0, 23), 1, 5, rapid.ID[int]).Draw(t, "hours") {
			had := rapid.SliceOfNDistinct(rapid.IntRange(0, 3), 0, 4, rapid.ID[int]).Draw(t, "tags")
			var has []int
			for _, n := range had {
				has = append(has, numbers[texts[n]]) // 0, of OtherTag, stays
			}
			fields[field{hour, Valid, joinNumbers(had)}.String()] = "5"
			want[field{hour, Valid, joinNumbers(has)}] = 5
		}
		var d Day
		d.read(fields, texts)
		if got := d.fields(numbers); !maps.Equal(got, want) {
			t.Fatalf("%v is %v elsewhere, want %v", fields, got, want)
		}
		if !slices.IsSorted(d.Tags) {
			t.Fatalf("the tags are not in order: %v", d.Tags)
		}
	})
}
