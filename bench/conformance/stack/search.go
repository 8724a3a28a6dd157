package stack

import (
	"tollgate/keys/keystest/leaks"
)

// Search stops the gateways, so that what they say at their end is there too, and looks
// through the logs, the dump and the append-only file for the plaintext of any key that the
// Redis has or had. Its second result tells of one, and of a search that could not be made.
// A Redis that a test has stopped is asked for no dump; its append-only file is there.
func (s *Stack) Search() (leaks.Report, error) {
	for _, g := range s.Gateways {
		if err := g.Stop(); err != nil {
			return leaks.Report{}, err
		}
	}
	if s.opts.Store != nil || s.Redis.Running() {
		if _, err := s.Do("SAVE"); err != nil {
			return leaks.Report{}, err
		}
	}
	report, err := leaks.Dir(s.Dir)
	if err == nil {
		err = report.Err()
	}
	return report, err
}
