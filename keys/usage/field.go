package usage

import (
	"slices"
	"strconv"
)

// field names one count in the hash of a subject's day: how often in an hour verifications
// with the same tags ended in one way. It can be compared.
type field struct {
	hour    int // of the day, 0 to 23
	outcome Outcome
	tags    tagNumbers
}

// String is the field's name: a letter for the hour, one for the outcome, and the tags.
func (f field) String() string {
	return string(rune('a'+f.hour)) + string(rune(f.outcome)) + string(f.tags)
}

// parseField reads a field of a hash, with its count. It returns false for what is none.
func parseField(name, count string) (f field, n int64, ok bool) {
	n, err := strconv.ParseInt(count, 10, 64)
	if len(name) < 2 || err != nil {
		return field{}, 0, false
	}
	return field{int(name[0] - 'a'), Outcome(name[1]), tagNumbers(name[2:])}, n, true
}

// tagNumbers are the numbers that tags have on a day, two bytes each, sorted, each once.
type tagNumbers string

// otherTags is what a count has in the place of its tags where there is no room for them.
var otherTags = joinNumbers([]int{otherNumber})

// joinNumbers sorts numbers in place.
func joinNumbers(numbers []int) tagNumbers {
	slices.Sort(numbers)
	var b []byte
	for _, n := range slices.Compact(numbers) {
		b = append(b, byte(n>>8), byte(n))
	}
	return tagNumbers(b)
}

func (t tagNumbers) numbers() (all []int) {
	for ; len(t) > 1; t = t[2:] {
		all = append(all, int(t[0])<<8|int(t[1]))
	}
	return all
}

// tagTexts reads the hash in which the tags of a day are numbered: what each number stands
// for. OtherTag has no number in it.
func tagTexts(numbered map[string]string) map[int]string {
	texts := make(map[int]string, len(numbered))
	for tag, text := range numbered {
		n, _ := strconv.Atoi(text)
		texts[n] = tag
	}
	return texts
}
