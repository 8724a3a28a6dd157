// Fakegate is just enough of a gateway for the launcher's own test: it takes the command line of
// the program, stores the name of a key, is ready, and ends on SIGTERM. With FAKEGATE_LEAK set it
// writes its root key into its log.
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	addr := flags.String("addr", "", "")
	redis := flags.String("redis", "", "")
	flags.Parse(os.Args[2:])
	rootKey := os.Getenv("TOLLGATE_ROOT_KEY")
	if len(rootKey) < 32 || store(*redis, rootKey) != nil {
		os.Exit(3)
	}
	if os.Getenv("FAKEGATE_LEAK") != "" {
		fmt.Println("starting with", rootKey)
	}
	http.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	go http.ListenAndServe(*addr, nil)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}

// store tells Redis of a key as the program does: by its digest.
func store(url, secret string) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "redis://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	d := sha256.Sum256([]byte(secret))
	fmt.Fprintf(conn, "SET tg:k:{%x}%s record\r\n", d[:1], base64.RawURLEncoding.EncodeToString(d[1:17]))
	_, err = conn.Read(make([]byte, 5))
	return err
}
