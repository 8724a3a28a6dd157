package usage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tollgate/keys"
	"tollgate/keys/layout"
)

// Day is what was counted of one subject on one day, as Dump reads it and Restore stores it:
// a record of an export. Tags stand in it as texts: a day has other numbers for them
// elsewhere.
type Day struct {
	API      string     `cbor:"1,keyasint"`
	Day      int64      `cbor:"2,keyasint"` // counted from the epoch
	Level    int        `cbor:"3,keyasint"` // whose: one of those below
	Key      string     `cbor:"4,keyasint,omitempty"`
	Identity string     `cbor:"5,keyasint,omitempty"`
	Expires  int64      `cbor:"6,keyasint"` // unix ms
	Tags     []string   `cbor:"7,keyasint,omitempty"`
	Counts   []DayCount `cbor:"8,keyasint"`
}

// DayCount is how often verifications in one hour with the same tags ended in one way.
type DayCount struct {
	_       struct{} `cbor:",toarray"`
	Hour    int      // 0 to 23
	Outcome byte
	Tags    []int // places in the day's Tags; -1 for OtherTag
	N       int64
}

// The levels: each verification is counted under one subject of each.
const (
	levelAPI = iota
	levelIdentity
	levelKey
)

// subject is whose counts they are.
func (d *Day) subject() string {
	switch d.Level {
	case levelAPI:
		return d.API
	case levelIdentity:
		return layout.IdentitySubject(d.API, d.Identity)
	}
	return layout.KeySubject(d.Key, d.Identity)
}

// member is how the index of its level names the subject.
func (d *Day) member() string {
	if d.Level == levelIdentity {
		return d.Identity
	}
	return layout.KeySubject(d.Key, d.Identity)
}

// index is the name of the index that has the subject; an API is in none.
func (d *Day) index() string {
	if d.Level == levelIdentity {
		return layout.UsageIndexName(d.API, d.Day, layout.UsageOfIdentities)
	}
	return layout.UsageIndexName(d.API, d.Day, layout.UsageOfKeys)
}

// Check refuses a day that Dump can't have read.
func (d *Day) Check() error {
	switch {
	case !d.named():
		return errors.New("names nobody whose usage it is")
	case !d.bounded():
		return errors.New("is out of bounds")
	case slices.ContainsFunc(d.Tags, func(tag string) bool { return len(tag) > maxUsageTag }):
		return fmt.Errorf("has a tag of more than %d bytes", maxUsageTag)
	case slices.ContainsFunc(d.Counts, func(c DayCount) bool { return !c.valid(len(d.Tags)) }):
		return errors.New("has a count that can't be")
	}
	return nil
}

// bounded reports whether a day, when it ends and how many tags it has are such as are stored.
func (d *Day) bounded() bool {
	return 0 <= d.Day && d.Day <= keys.MaxTime/dayMS &&
		0 <= d.Expires && d.Expires <= keys.MaxTime &&
		len(d.Tags) <= maxDayTags
}

// named reports whether it is said whose usage it is: the API's, and at the level of keys a
// key's.
func (d *Day) named() bool {
	switch {
	case d.Level < levelAPI || d.Level > levelKey:
		return false
	case d.Level == levelKey && !layout.IsID(d.Key):
		return false
	}
	return d.Identity == "" || layout.IsID(d.Identity)
}

// valid reports whether a count of a day with so many tags is one. A tag of -1 is every other.
func (c *DayCount) valid(tags int) bool {
	switch {
	case c.Hour < 0 || c.Hour > 23:
		return false
	case !strings.ContainsRune(Outcomes, rune(c.Outcome)):
		return false
	case c.N < 1 || c.N > keys.MaxCount:
		return false
	case len(c.Tags) > keys.MaxUsageTags:
		return false
	}
	return !slices.ContainsFunc(c.Tags, func(at int) bool { return at < -1 || at >= tags })
}

// read reads the fields of a subject's hash. It returns the same for the same counts,
// whatever numbers the tags have.
func (d *Day) read(fields map[string]string, tags map[int]string) {
	for name, count := range fields {
		if f, n, ok := parseField(name, count); ok {
			d.Counts = append(d.Counts, DayCount{Hour: f.hour, Outcome: byte(f.outcome), Tags: f.tags.numbers(), N: n})
		}
	}
	places := d.placeTags(tags)
	for _, c := range d.Counts {
		for i, number := range c.Tags {
			c.Tags[i] = places(number)
		}
		slices.Sort(c.Tags)
	}
	slices.SortFunc(d.Counts, func(a, b DayCount) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Outcome, b.Outcome), slices.Compare(a.Tags, b.Tags))
	})
}

// placeTags makes the day's Tags of the numbers in its counts, and tells their places.
func (d *Day) placeTags(tags map[int]string) (place func(number int) int) {
	for _, c := range d.Counts {
		for _, number := range c.Tags {
			if tag, ok := tags[number]; ok {
				d.Tags = append(d.Tags, tag)
			}
		}
	}
	slices.Sort(d.Tags)
	d.Tags = slices.Compact(d.Tags)
	return func(number int) int {
		tag, ok := tags[number]
		if !ok {
			return -1
		}
		at, _ := slices.BinarySearch(d.Tags, tag)
		return at
	}
}

// fields are the fields of the subject's hash, where tags have these numbers.
func (d *Day) fields(numbers map[string]int) map[field]int64 {
	sums := map[field]int64{}
	for _, c := range d.Counts {
		var all []int
		for _, at := range c.Tags {
			if at < 0 {
				all = append(all, otherNumber)
			} else {
				all = append(all, numbers[d.Tags[at]])
			}
		}
		sums[field{c.Hour, Outcome(c.Outcome), joinNumbers(all)}] += c.N
	}
	return sums
}
