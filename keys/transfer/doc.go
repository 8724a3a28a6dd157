// Package transfer exports a workspace and imports it elsewhere.
//
// Export writes a workspace as records that Import stores on a single Redis or on a
// Cluster: ids, digests and the names of counters stay as they are, so what was half used
// is half used there. Lists, indexes, copies and revisions are made anew. What is there is
// never changed and counts are set, never added, so both can be repeated after anything.
// An export does not have: keys of deleted APIs, which are being removed, and what belongs
// to things that are gone for good.
package transfer
