// Package backup writes a whole store into a file and restores it.
//
// A backup has a line of JSON for each record. The head names the workspaces; then comes an
// export of each of them, as package transfer has it; the last line has the number of records
// and the SHA-256 of everything before it:
//
//	{"backup":1,"tollgate":2,"time":…,"workspaces":[{"id":"ws_…","name":"default"}]}
//	{"tollgate":2,"workspace":"ws_…","time":…}
//	…
//	{"end":true}
//	{"records":17,"sha256":"…"}
//
// Nothing of a file is stored before all of it was read and is what was written. Afterwards
// each record is compared with what the store has. What is there already is never changed.
package backup
