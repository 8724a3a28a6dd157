package verify

import "time"

// Age lets time pass for the root keys that a verifier remembers.
func (v *Verifier) Age(d time.Duration) {
	for digest, by := range v.askers.All() {
		older := *by
		older.at = by.at.Add(-d)
		v.askers.Set(digest, &older)
	}
}
