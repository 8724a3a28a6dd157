// Package faults breaks what production breaks and counts what was lost. Its tests
// run real redis-server processes, and where it matters the real program, lose their
// replies, cut, freeze, kill, fill and fail them over, and check that the promises of
// the README hold: nothing is spent twice, nothing acknowledged is lost, nothing is
// VALID that the store did not say so of, and every failure is a quick 503.
//
//	make faults                    the short form, as in CI: some seconds each
//	TOLLGATE_FULL=1 make faults    the full form: about half an hour
//	TOLLGATE_SEED=7 make faults    other random cases
//
// Each prints lines of "what was tried: what was lost", and fails where a promise broke.
package faults
