// Package usage counts how verifications end, beside the decisions, and answers questions
// about the counts.
//
// A day of a key, of an identity in an API, and of an API is a hash each: its fields are
// an hour, an outcome and numbers of tags, its values counts. So a question about an API
// reads one hash a day, and only one that distinguishes keys or identities reads theirs.
// The hashes expire. Tags are numbered by API and day, and bounded in number.
//
// The names of fields are written and read in field.go alone. Dump and Restore carry counts
// into another store.
//
// A Counter collects in memory and sends every second; a Reader answers.
package usage
