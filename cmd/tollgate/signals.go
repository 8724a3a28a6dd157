package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// surviveSignals makes the process outlive the signals that would end it without
// draining and that nobody sends for that. SIGHUP, which a closing terminal and
// operators who expect a reload send, is logged: there is nothing to reload. SIGPIPE is
// sent where whoever reads the log is gone. SIGTERM and SIGINT drain; SIGQUIT ends at
// once, with the stack of every goroutine, and is for a process that hangs.
func surviveSignals(log *slog.Logger) {
	signal.Ignore(syscall.SIGPIPE)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			log.Warn("SIGHUP is ignored: settings are read at start alone")
		}
	}()
}
