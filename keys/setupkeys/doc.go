// Package setupkeys keeps NetBird's setup keys and groups.
//
// A setup key is a key with a Setup. It is no API key: it is redeemed, never verified, and
// whatever reads or changes API keys does not find it. Its uses are its balance, and
// redeem.lua remembers beside the record what each peer was answered. Each peer has one
// setup key of a workspace at most: claims.go says how. The groups that a setup key hands
// out are definitions of the workspace; grouplinks.go keeps the two consistent across
// slots.
package setupkeys
