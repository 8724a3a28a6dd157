// Package store keeps keys: it creates, reads, lists, changes, rerolls and deletes them,
// with root keys, migrations and what deleted keys leave.
//
//	keyStore, err := store.Dial("redis://127.0.0.1:6379", store.Options{})
//	made, err := keyStore.CreateKey(ctx, access, keys.KeyDraft{APIID: api.ID})
//
// A service needs Store, its Options, and what its methods take and return. Records, and
// what goes with it, is for the packages that keep something beside the keys: setupkeys,
// usage, sweep, transfer and verify.
//
// # Writes
//
// A change is read, made in Go, and put back under the condition that nothing else changed
// it meanwhile: Put takes the Record that was read. Writes that touch several slots go in
// an order in which a crash leaves only index entries that lead nowhere; readers skip them.
// No write is ever sent twice: a reply that is lost is KindUnavailable.
//
// # Deletion
//
// A soft-deleted key leaves a tombstone with its digest and ids, in one script with the
// deletion; Options.DeletedRetention keeps the record beside it. tombstone.go says what
// leads to one. Package sweep removes what
// deleted APIs leave, and strips what earlier releases left.
//
// # The move of a migrated key
//
// A key of a migration moves, when its whole plaintext is first presented, from the place
// of its part's digest to the place of the plaintext's, which is in another slot:
//
//	           reserve             mark               fill            removeOld
//	waiting ------------> reserved -------> marked -----------> filled -----------> moved
//	   ^                      |                |
//	   +---- it expires ------+                +--- deleted meanwhile: removeOld
//
//	reserve    the new place gets a reservation: a record that is no key and expires
//	mark       the old record names the new place and the reservation there
//	fill       the key replaces that reservation, verifies, and its id and its lists
//	           lead to the new place (writeIndex)
//	removeOld  the old record is deleted
//
// From the mark on nothing of the key changes in its old place: a change that was under
// way finds that the record is another one, and who means to change or delete it then
// moves it first. Several may do it at once, and one after another that died.
//
// The law: a reservation is filled once, and only the one that the mark names. So a
// process that read the mark long ago can't store a key that was moved and deleted
// meanwhile. Another reservation is made only while the id leads to the old place: the id
// of a key that was filled and then deleted does not any more.
package store
