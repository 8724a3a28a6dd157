// Command tollgate is a self-hosted gateway that verifies API keys: one binary and
// Redis. It speaks the APIs of Unkey (both generations) and of NetBird's setup
// keys over one model of keys.
//
//	tollgate serve      answers HTTP
//	tollgate root       creates, lists and deletes root keys
//	tollgate api        creates, lists and protects APIs
//	tollgate role       sets and lists what roles give
//	tollgate namespace  lists and deletes rate limit namespaces
//	tollgate migration  creates and lists migrations, for keys that come by their hashes
//	tollgate workspace  creates and lists workspaces
//	tollgate audit      shows who changed what in a workspace
//	tollgate export     writes a whole workspace into a file
//	tollgate import     stores it in another Redis
//	tollgate backup     writes a whole store into a file, with all workspaces
//	tollgate restore    restores a backup and verifies it
//	tollgate store      accepts a store that has lost its data as it is
//	tollgate sealing    creates and rotates the keyset that seals recoverable keys
//	tollgate health     asks whether the gateway is ready, for containers
//	tollgate config     checks and prints the settings of serve
//
// Each flag can also be given in the environment, as the help of each command says, and the
// settings of serve in a file.
// The exit status is 0 for success, 2 for a wrong command line or setting, 1 for
// anything else that went wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"tollgate/cmd/tollgate/configuration"
	"tollgate/cmd/tollgate/entries"

	"github.com/alecthomas/kong"
)

// program is the command line.
type program struct {
	Config configuration.Path `name:"config" env:"TOLLGATE_CONFIG" placeholder:"FILE" help:"A file of settings, in YAML: the flags of serve without their dashes. Flags and the environment win over it."`

	Serve     serveCommand     `cmd:"" help:"Answer HTTP."`
	Root      rootCommand      `cmd:"" help:"Create, list and delete root keys."`
	API       apiCommand       `cmd:"" name:"api" help:"Create, list and protect APIs, and say from where their keys may be used."`
	Role      roleCommand      `cmd:"" help:"Set and list the permissions of roles."`
	Namespace namespaceCommand `cmd:"" help:"List and delete rate limit namespaces."`
	Migration migrationCommand `cmd:"" help:"Create and list migrations, for keys that come by their hashes."`
	Workspace workspaceCommand `cmd:"" help:"Create and list workspaces."`
	Audit     auditCommand     `cmd:"" help:"Show who changed what in a workspace, and follow it."`
	Export    exportCommand    `cmd:"" help:"Write a whole workspace into a file."`
	Import    importCommand    `cmd:"" help:"Store a workspace that was exported."`
	Backup    backupCommand    `cmd:"" help:"Write a whole store into a file, with all workspaces."`
	Restore   restoreCommand   `cmd:"" help:"Restore a backup, and verify it."`
	Store     storeCommand     `cmd:"" help:"Accept a store that has lost its data as it is."`
	Sealing   sealingCommand   `cmd:"" help:"Create and rotate the keyset that seals recoverable keys."`
	Health    healthCommand    `cmd:"" help:"Exit with 0 where the gateway is ready, and with 1 where it is not."`
	Settings  configCommand    `cmd:"" name:"config" help:"Check and print the settings of serve."`
}

// usageError is a setting that can't be: the program ends with status 2.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// asUsageError makes a wrong setting of an error; nil stays nil.
func asUsageError(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err.Error()}
}

func main() { os.Exit(run(os.Args[1:])) }

// run executes a command line and returns the exit status.
func run(args []string) (status int) {
	_, command, _, err := parse(args)
	if err != nil {
		return complain(withChoices(err), 2)
	}
	if command.Command() != "serve" { // it has another log
		warnOfExposed(command)
	}
	command.BindTo(entries.CommandContext(command.Command()), (*context.Context)(nil))
	err = command.Run()
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return complain(err, 2)
	case err != nil:
		return complain(err, 1)
	}
	return 0
}

func complain(err error, status int) int {
	fmt.Fprintln(os.Stderr, "tollgate: "+err.Error())
	return status
}

// withChoices names the commands that there are to a command line with another one, where
// kong found none that is near.
func withChoices(err error) error {
	var wrong *kong.ParseError
	text := err.Error()
	if !errors.As(err, &wrong) || !strings.HasPrefix(text, "unexpected argument ") || strings.Contains(text, "did you mean") {
		return err
	}
	node := wrong.Context.Selected()
	if node == nil {
		node = wrong.Context.Model.Node
	}
	var names []string
	for _, child := range node.Children {
		names = append(names, child.Name)
	}
	if len(names) == 0 {
		return err
	}
	return fmt.Errorf("%s: want one of %s", text, strings.Join(names, ", "))
}
