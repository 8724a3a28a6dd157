// Package audit keeps who changed what in a workspace.
//
// Each change that a caller asks for is one entry, whichever way it came: over HTTP or on the
// command line. Verifications, limits and redemptions of setup keys are none, and neither are
// requests without a valid root key: a stranger could flush the log with them.
//
// # Order
//
// A method of a store that changes something calls Log.Begin. What writes beneath it calls
// Intend right before it writes, and so the entry is there, pending, before the change is.
// When the method returns, the entry gets its result behind the answer:
//
//	pending   it may have happened: the process died, or the store did not answer
//	done      it happened
//	refused   it did not happen, and the entry says why
//	unknown   the store did not answer, or refused on the way: some of it may have happened
//
// A change of which there can be no entry is not made. Intend refuses a context in which
// nobody began an action, so no endpoint can forget the log: it would not work. What is no
// change that somebody asked for says so by Exempt.
//
// A request that is accepted and changes nothing, such as one that sets a name to what it is,
// has no entry.
//
// # What is kept
//
// An entry is at most MaxSize bytes and names at most MaxResources things, each with the fields
// that differ before and after, as JSON in the words of the second API generation. No
// digest, no plaintext and no sealed plaintext is in it. Where not all fits, the entry says
// that it was cut.
//
// A workspace has two lists, changes and refusals, so that nobody pushes changes out by asking
// for what is refused. Each append trims its list, by age and by number. While Redis is full
// an append first removes from its list at least as many bytes as it adds: a revocation is
// made then, and leaves its entry.
package audit
