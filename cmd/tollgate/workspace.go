package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"tollgate/keys"
)

// workspaceCommand is `tollgate workspace`. The default workspace is there for whoever
// needs it; every other one is made here, or by an import.
type workspaceCommand struct {
	Create workspaceCreate `cmd:"" help:"Create a workspace and print its id. The one called default needs no creation."`
	List   workspaceList   `cmd:"" help:"List the workspaces."`
}

type workspaceCreate struct {
	storeFlags
	Name string `arg:"" help:"Its name, of 1 to 64 characters."`
}

// Run prints the id on standard output, and nothing else there.
func (f *workspaceCreate) Run(ctx context.Context) error {
	store, err := f.openCommand()
	if err != nil {
		return err
	}
	if err := store.Mark(ctx); err != nil {
		return err
	}
	switch _, err := store.FindWorkspace(ctx, f.Name); {
	case err == nil:
		return fmt.Errorf("workspace %s is there already", keys.Redact(f.Name))
	case !isNotFound(err):
		return err
	}
	id, err := store.Workspace(ctx, f.Name)
	if err != nil {
		return asUsage(err)
	}
	fmt.Println(id)
	return nil
}

type workspaceList struct{ storeFlags }

// Run prints a table.
func (f *workspaceList) Run() error {
	store, err := f.openCommand()
	if err != nil {
		return err
	}
	all, err := store.Workspaces(context.Background())
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME")
	for _, w := range all {
		fmt.Fprintf(table, "%s\t%q\n", w.ID, w.Name)
	}
	return table.Flush()
}

func isNotFound(err error) bool {
	var refused *keys.Error
	return errors.As(err, &refused) && refused.Kind == keys.KindNotFound
}
