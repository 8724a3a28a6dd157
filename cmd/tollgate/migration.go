package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"tollgate/keys/catalog"
)

// migrationCommand is `tollgate migration`: what /v2/keys.migrateKeys needs first.
type migrationCommand struct {
	Create migrationCreate `cmd:"" help:"Create a migration and print its id, for /v2/keys.migrateKeys."`
	List   migrationList   `cmd:"" help:"List the migrations of a workspace."`
}

type migrationCreate struct {
	workspaceFlags
	Algorithm string `default:"sha256" enum:"sha256,github.com/seamapi/prefixed-api-key" help:"How the hashes were made: sha256 of the whole key in base64, or github.com/seamapi/prefixed-api-key (${default})."`
	ID        string `name:"id" help:"An id of 3 to 255 letters, digits and _.:-. Without it: a new one."`
}

// Run prints the id on standard output, and nothing else there.
func (f *migrationCreate) Run(ctx context.Context) error {
	store, workspace, err := f.ensure(ctx)
	if err != nil {
		return err
	}
	made, err := store.CreateMigration(ctx, workspace, f.ID, f.Algorithm)
	if err != nil {
		return err
	}
	fmt.Println(made.ID)
	return nil
}

type migrationList struct{ workspaceFlags }

// Run prints a table.
func (f *migrationList) Run(ctx context.Context) error {
	store, workspace, err := f.look(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tALGORITHM\tCREATED")
	for next, more := "", true; more; {
		page, err := store.Migrations(ctx, workspace, catalog.ListOptions{From: next})
		if err != nil {
			return err
		}
		for _, m := range page.Rows {
			fmt.Fprintf(table, "%s\t%s\t%s\n", m.ID, m.Algorithm, time.UnixMilli(m.CreatedAt).UTC().Format(time.RFC3339))
		}
		next, more = page.Next, page.Next != ""
	}
	return table.Flush()
}
