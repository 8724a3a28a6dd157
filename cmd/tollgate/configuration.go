package main

import (
	"fmt"
	"log/slog"
	"os"

	"tollgate/cmd/tollgate/configuration"
	"tollgate/keys/redisdb"

	"github.com/alecthomas/kong"
)

// configCommand is `tollgate config`.
type configCommand struct {
	Check configCheck `cmd:"" help:"Check the settings of serve as it would, without connecting or listening."`
	Show  configShow  `cmd:"" help:"Print the settings of serve as a configuration file, and where each comes from. Secrets are masked."`
}

type configCheck struct{ serveCommand }

// Run says what is wrong with the settings.
func (c *configCheck) Run() error {
	if err := c.check(); err != nil {
		return err
	}
	fmt.Println("The settings can be served with.")
	return nil
}

type configShow struct{ serveCommand }

// Run prints the settings, also where they can't be.
func (c *configShow) Run(ctx *kong.Context, resolver *configuration.Resolver) error {
	return resolver.Show(ctx, os.Stdout, masked)
}

// check refuses settings that can't be. It opens no socket.
func (f *serveCommand) check() error {
	if _, err := f.rule(); err != nil {
		return err
	}
	if err := f.validate(); err != nil {
		return err
	}
	if _, err := f.storeOptions(); err != nil || f.Redis == "" {
		return err
	}
	return f.checkURL()
}

// masked returns a secret as it may be shown.
func masked(flag *kong.Flag, value string) string {
	switch {
	case value == "":
		return ""
	case flag.Name == "redis":
		return redisdb.MaskURL(value)
	}
	return "[secret]"
}

// warnOfExposed warns of secrets on the command line.
func warnOfExposed(ctx *kong.Context) {
	for _, flag := range configuration.Exposed(ctx, masked) {
		slog.Warn("a secret on the command line can be read by other users of the machine: give it in the environment, or in a file that the environment names",
			"flag", "--"+flag.Name, "environment", flag.Envs[0], "file", flag.Envs[0]+"_FILE")
	}
}

// parse reads a command line, the environment and the configuration file.
func parse(args []string) (*program, *kong.Context, *configuration.Resolver, error) {
	read, resolver := &program{}, configuration.New("serve")
	parser, err := kong.New(read, kong.Name("tollgate"), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Description("A key-verification gateway: one binary and Redis."), kong.Resolvers(resolver), kong.Bind(resolver))
	if err != nil {
		panic(err) // a mistake in the tags
	}
	ctx, err := parser.Parse(args)
	if err == nil {
		ctx.Bind(invocation{args, resolver.Values(ctx)})
	}
	return read, ctx, resolver, err
}

// invocation is what a command was started with.
type invocation struct {
	args   []string
	values map[string]string // of the settings, by their names
}

// again reads the command line once more: since it can't change itself, nor the environment,
// this reads the files that they name. It returns also which settings need a restart.
func (c invocation) again() (*serveCommand, []string, error) {
	read, ctx, resolver, err := parse(c.args)
	if err != nil {
		return nil, nil, err
	}
	return &read.Serve, restartNeeded(c.values, resolver.Values(ctx)), nil
}
