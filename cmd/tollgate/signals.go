package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// surviveSignals makes the process outlive the signals that would end it without
// draining and that nobody sends for that. SIGPIPE is sent where whoever reads the log is
// gone. SIGTERM and SIGINT drain; SIGQUIT ends at once, with the stack of every goroutine,
// and is for a process that hangs. SIGHUP waits in the channel that is returned.
func surviveSignals() <-chan os.Signal {
	signal.Ignore(syscall.SIGPIPE)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups
}

// reloadOn reloads at each hangup until stop ends. Hangups that come meanwhile are one.
func (g *gateway) reloadOn(stop context.Context) {
	for {
		select {
		case <-stop.Done():
			return
		case <-g.hangups:
			g.reload(stop)
		}
	}
}
