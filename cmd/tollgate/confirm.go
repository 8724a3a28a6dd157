package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// finalFlags are those of a command that does what can't be undone.
type finalFlags struct {
	Yes bool `short:"y" help:"Do not ask. It is needed where nobody can be asked: where standard input is no terminal."`
}

var errNothingDone = errors.New("nothing was done")

// confirm asks on a terminal whether to go on with what can't be undone. Without a
// terminal and without --yes it is a wrong command line.
func (f *finalFlags) confirm(what string) error {
	switch {
	case f.Yes:
		return nil
	case !term.IsTerminal(int(os.Stdin.Fd())):
		return usagef("%s: this can't be undone; say --yes, or call it on a terminal to be asked", what)
	}
	fmt.Fprintf(os.Stderr, "%s: this can't be undone. Type yes to go on: ", what)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // without one it is no yes
	if strings.TrimSpace(answer) != "yes" {
		return errNothingDone
	}
	return nil
}
