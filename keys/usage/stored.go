package usage

import (
	"context"

	"tollgate/keys/layout"
)

// Stored reads what is stored of the subjects of some days, in any order: nothing of those
// that have no counts.
func (s *Reader) Stored(ctx context.Context, days []Day) (found []Day, err error) {
	type tagged struct {
		api string
		day int64
	}
	subjects := map[tagged][]Day{}
	for _, d := range days {
		of := tagged{d.API, d.Day}
		subjects[of] = append(subjects[of], Day{API: d.API, Day: d.Day, Level: d.Level, Key: d.Key, Identity: d.Identity})
	}
	read := &dump{s, func(some []Day) error { found = append(found, some...); return nil }}
	for of, some := range subjects {
		tags, err := s.tagsOn(ctx, of.api, of.day)
		if err != nil {
			return nil, err
		}
		if err := read.subjects(ctx, some, tags); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Subject names the subject of a day and the day.
func (d *Day) Subject() string { return layout.UsageName(d.subject(), d.Day) }
