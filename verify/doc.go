// Package verify answers one question, fast and exactly: may this key be used,
// now, for this?
//
//	verifier := verify.New(store, verify.Options{})
//	outcome, err := verifier.Verify(ctx, &verify.Request{Secret: keys.NewSecret(text)})
//	if err == nil && outcome.Valid() { … }
//
// # The order of checks
//
// The first that fails decides: found (of the asked workspace, its API alive),
// enabled, of the asked API, not expired, address allowed, permissions, rate
// limits, credits. A verification that is refused consumes nothing; one that is
// valid has consumed exactly its costs. Expiry, limits and credits are decided by
// verify.lua on Redis's clock, the others in Go on a record in memory.
//
// # What is never believed
//
// The record in memory is only used if the script confirms its revision, and the
// revision of what it refers to, in the same call in which it spends. Otherwise
// the script spends nothing and says what is there now, and the question is asked
// again. So a warm verification is one round trip, a cold or changed one is two,
// and every change is obeyed by the next verification on every gateway. A refusal
// made in Go is confirmed in the same way.
//
// # Batching
//
// Verifications that arrive while others are on their way to Redis wait in a queue
// and are sent together in the next call. A lone one is sent at once. No call is ever
// sent twice: where the reply is lost, Verify returns keys.KindUnavailable, and the
// use was spent once or not at all.
//
// # One verification, file by file
//
//  1. verifier.go, Verify: finds the key in memory, or reads it, and decides what the
//     record alone decides.
//  2. rootkey.go, rootKey: the root key that asks, and the guard that confirms it.
//  3. limits.go, addRequested: which limits are looked at.
//  4. batch.go, do: how calls wait for each other and are sent together.
//  5. call.go, readReplies: how a batch is written, and its reply read.
//  6. verify.lua: the script that confirms, decides and spends.
//
// # Limits without a key
//
// Verifier.Limit counts identifiers of an application's own, in namespaces, by the
// same script: all that one request asks for is taken, or nothing.
package verify
