// Package proc runs the processes of tests and benchmarks: servers, the program, whatever keeps
// a machine busy.
//
//	addr, err := proc.FreeAddr()
//	p, err := proc.StartLogged(exec.Command("redis-server", …), logFile)
//	defer p.Stop()
//	err = p.AwaitReady(func() error { … })
//
// No process outlives the one that started it, which may be killed (on Linux). Each is ended by
// its own id, and reaped. Ports are on loopback, below the ephemeral range: no outgoing
// connection sits on one while its server restarts.
//
// It stands below redistest, which is what imports the least: it knows neither Redis nor the
// program, and nothing in it fails a test by itself.
package proc
