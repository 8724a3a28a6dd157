// Package docs runs what README.md and docs/ tell people to type, and checks what they
// say about links, make targets and metrics.
//
// Each fenced block is run, in the order of the file, in one shell for each file. The
// first word behind the fence is the language:
//
//	sh        commands; each of them must succeed
//	console   commands behind "$ ", further lines of one behind "> ", each followed by
//	          what it prints. "…" in a line stands for any text within that line, a
//	          line "…" for any lines
//	go        a whole program, which is built and run
//	ts        TypeScript, python, and parts of Go programs need run-by or not-run
//
// Blocks of the languages in shownOnly (text, json, …) are no commands and are not run.
// Another language is an error. Words behind the language:
//
//	background       the commands keep running until the next such block or the end of
//	                 the file, as in a terminal of their own. The block is over when the
//	                 gateway that it starts is ready
//	run-by="FILE"    FILE runs the block with a client that is not installed here
//	not-run="WHY"    the block is not run, and WHY is the reason
//
// The shell starts in a copy of the source tree, with set -u and pipefail, and without the
// TOLLGATE_ variables of whoever runs the test. 127.0.0.1:8080 in a document stands for an
// address that is free here, and TOLLGATE_ADDR has it; 127.0.0.1:6379 stands for a Redis of
// the test's own. TOLLGATE_REDIS_TIMEOUT is longer than the default, because the machine may
// be busy, and TOLLGATE_DRAIN_DELAY is shorter.
//
// It needs bash, make, curl and openssl.
package docs
