// Fakegate is just enough of a gateway for the launcher's own test: it takes the command line of
// the program, is ready at once, and ends on SIGTERM.
package main

import (
	"flag"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	addr := flags.String("addr", "", "")
	flags.String("redis", "", "")
	flags.Parse(os.Args[2:])
	if len(os.Getenv("TOLLGATE_ROOT_KEY")) < 32 {
		os.Exit(3)
	}
	http.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	go http.ListenAndServe(*addr, nil)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}
