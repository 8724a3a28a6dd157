// Package catalog keeps the definitions of workspaces: APIs, identities, roles,
// permissions and rate limit namespaces, and what the ids in a key's record refer to.
//
// Definitions belong to a workspace and share its hash tag, so one script (define.lua)
// changes any of them together, all or nothing: see Change. They are read through a
// cache, of which each entry is as old as a revision; whoever decides by one confirms
// that revision in Redis in the same call.
//
// # Revisions
//
// A revision is a number of microseconds of Redis's clock, raised by at least one at each
// change. It is compared for equality alone: a failover that loses writes can't bring an
// old revision back with other content. A change of a definition that 100,000 keys refer
// to is two writes, and obeyed by the next verification on every gateway.
//
// # Revisions on a Cluster
//
// A verification sees the slot of its key alone, so each shard has
// copies of the workspaces' revisions, and a change of a definition takes three steps: it
// is prepared in all copies, made at the master, and propagated to all copies. Gateways
// read in between, and the process that makes the change may die at any step.
//
//	copies:       even ---- prepare ----> odd ---- change, propagate ----> even
//	                                       |                                 ^
//	                                       +--- never made: stays odd -------+
//	                                            until the next change
//
// The law: when a change is made, every copy is odd. A prepared revision is odd. The
// revision of a change that was made is even; it is odd where another change was prepared
// by then and not made yet, which the master knows. So a gateway that decides by an even
// revision decides by the last change. One that decides by an odd revision can't know,
// and asks the master again within preparedTTL. Where the master's revision is newer, the
// guard does not hold, and the shard's copy is raised on demand.
//
// The master accepts a prepared change for preparationTTL, and refuses it afterwards. A
// revision that a failover of the master lost is found in a copy that is ahead of the
// master: then every copy is made odd, since what was read by the lost one may be anything.
//
// Where a prepared change was never made, and in stores of older versions, which did not
// distinguish odd from even, an odd revision may be final. Gateways that use it ask for it
// once every preparedTTL, until the next change.
//
// # Markers
//
// A store that has lost its data looks like one in which nothing was ever created. So a
// store has a marker, on a Cluster one in each shard: see marker.go.
package catalog
