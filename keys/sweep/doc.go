// Package sweep removes, in the background, what deleted APIs and deleted keys leave, and
// what earlier releases stored without an end. Several processes share the work: one at a
// time has a lease, in small steps between which Redis serves others. Two that sweep at
// once do no harm.
package sweep
