package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"tollgate/cmd/tollgate/datadir"
	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/store"
)

// rootCommand is `tollgate root`.
type rootCommand struct {
	Create rootCreate `cmd:"" help:"Create a root key and print its secret, once."`
	List   rootList   `cmd:"" help:"List the root keys of a workspace."`
	Delete rootDelete `cmd:"" help:"Delete a root key: it is refused from then on."`
}

// workspaceFlags say in which workspace of which store.
type workspaceFlags struct {
	storeFlags
	Workspace string `env:"TOLLGATE_WORKSPACE" default:"default" help:"The workspace (${default})."`
}

// openCommand opens the store for a command, which is not in a hurry.
func (f *storeFlags) openCommand() (*store.Store, error) {
	if err := f.checkStore(); err != nil {
		return nil, err
	}
	if f.Data == "" && f.Redis == "" {
		return nil, usagef("say where Redis is with --redis URL (TOLLGATE_REDIS_URL), or where the data is with --data DIR (TOLLGATE_DATA)")
	}
	join := func(path string, o datadir.Options) (*datadir.Dir, error) {
		return datadir.Join(context.Background(), path, o)
	}
	if err := f.openData(join, "a command of tollgate"); err != nil {
		return nil, err
	}
	return f.open(0, store.Options{Timeout: 5 * time.Second, Audit: audit.Options{On: true, Wait: true}}, nil)
}

// find opens the store and returns the id of the workspace, which must be there.
func (f *workspaceFlags) find(ctx context.Context) (*store.Store, string, error) {
	store, err := f.openCommand()
	if err != nil {
		return nil, "", err
	}
	if err := store.Mark(ctx); err != nil {
		return nil, "", err
	}
	workspace, err := store.FindWorkspace(ctx, f.Workspace)
	return store, workspace, err
}

// noWorkspace is the id of none: nothing is stored under it.
const noWorkspace = ""

// look is find for a command that only reads. The default workspace is empty where
// nothing was stored in it yet.
func (f *workspaceFlags) look(ctx context.Context) (*store.Store, string, error) {
	store, workspace, err := f.find(ctx)
	if f.Workspace == keys.DefaultWorkspace && isNotFound(err) {
		return store, noWorkspace, nil
	}
	return store, workspace, err
}

// ensure is find for a command that stores something. The default workspace is made where
// it is missing; every other one is created by a command that says so.
func (f *workspaceFlags) ensure(ctx context.Context) (*store.Store, string, error) {
	store, workspace, err := f.find(ctx)
	switch {
	case !isNotFound(err):
	case f.Workspace == keys.DefaultWorkspace:
		workspace, err = store.Workspace(ctx, f.Workspace)
	default:
		err = fmt.Errorf("%w: create it with 'tollgate workspace create'", err)
	}
	return store, workspace, err
}

type rootCreate struct {
	workspaceFlags
	Name       string   `help:"A name to tell it by."`
	Format     string   `default:"tollgate" enum:"tollgate,netbird" help:"tollgate, or netbird for the form of NetBird's access tokens (${default})."`
	Permission []string `sep:"none" placeholder:"P" help:"A right such as api.*.create_key, or '*' for every right. At least one; may be repeated."`
	Expires    *string  `placeholder:"T" help:"When it ends: a time such as 2030-01-31T00:00:00Z, or a duration from now such as 720h. Without it: never."`
}

// Run prints the secret on standard output, and nothing else there.
func (f *rootCreate) Run(ctx context.Context) error {
	expires, err := moment(f.Expires, time.Now())
	if err != nil {
		return err
	}
	grants := f.grants()
	if err := keys.CheckGrants(grants); err != nil {
		return usagef("--%s", err)
	}
	store, workspace, err := f.ensure(ctx)
	if err != nil {
		return err
	}
	draft := keys.RootDraft{Name: f.Name, Grants: grants, Expires: expires}
	if f.Format == "netbird" {
		draft.Secret = keys.NewAccessToken()
	}
	_, secret, err := store.CreateRootKey(ctx, workspace, draft)
	if err != nil {
		return err
	}
	fmt.Println(secret.Reveal())
	return nil
}

// grants are what was given with --permission; one may be a list with commas. A value
// that is empty, such as that of a variable that is not set, stays one.
func (f *rootCreate) grants() []string {
	var all []string
	for _, given := range f.Permission {
		all = append(all, strings.Split(given, ",")...)
	}
	return all
}

// moment reads a time or a duration from now, as unix ms; 0 where none was given. One
// that is empty was given: a variable that is not set makes no root key for ever.
func moment(given *string, now time.Time) (int64, error) {
	if given == nil {
		return 0, nil
	}
	text := *given
	at, err := time.Parse(time.RFC3339, text)
	if d, notDuration := time.ParseDuration(text); notDuration == nil {
		at, err = now.Add(d), nil
	}
	if err != nil || !at.After(now) {
		return 0, usagef("--expires %q: want a time to come such as 2030-01-31T00:00:00Z, or a duration such as 720h", text)
	}
	return at.UnixMilli(), nil
}

type rootList struct{ workspaceFlags }

// Run prints a table.
func (f *rootList) Run(ctx context.Context) error {
	store, workspace, err := f.look(ctx)
	if err != nil {
		return err
	}
	all, _, err := store.RootKeys(ctx, workspace, 0)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTART\tNAME\tEXPIRES\tPERMISSIONS")
	for _, k := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Start, k.Name, ending(k.Expires), strings.Join(k.Root.Grants, " "))
	}
	return table.Flush()
}

func ending(expires int64) string {
	if expires == 0 {
		return "never"
	}
	return time.UnixMilli(expires).UTC().Format(time.RFC3339)
}

type rootDelete struct {
	workspaceFlags
	finalFlags
	ID string `arg:"" help:"The id that 'tollgate root list' shows."`
}

// Run deletes.
func (f *rootDelete) Run(ctx context.Context) error {
	if err := f.confirm("delete root key " + keys.Redact(f.ID)); err != nil {
		return err
	}
	store, workspace, err := f.find(ctx)
	if err != nil {
		return err
	}
	return store.DeleteRootKey(ctx, workspace, f.ID)
}
