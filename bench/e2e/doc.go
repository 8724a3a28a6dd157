// Package e2e holds no code: its tests hold the promises of the program against the built binary,
// three gateways on one Redis, with nothing but net/http and encoding/json in between.
//
//	exact_test.go    any number of concurrent callers: exactly the limit, exactly the balance
//	changes_test.go  a change on one gateway is obeyed by the next verification on every other
//	input_test.go    whatever is sent to an endpoint: an error envelope, and nothing stored
//	wire_test.go     whatever is sent to the port: an answer or a closed connection, never a wrong one
//	secrets_test.go  secrets of every kind, wherever they are put, are in the answers that give them and nowhere else
//	drain_test.go    SIGTERM under load drops nothing
//
// When all have run, everything that was logged, stored and answered is searched once more, for
// the plaintext of any key that the Redis had: one makes the run fail.
//
// They need go and redis-server, and fail without them.
package e2e
