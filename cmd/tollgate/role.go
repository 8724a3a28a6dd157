package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"tollgate/keys"
	"tollgate/keys/catalog"
)

// roleCommand is `tollgate role`: what v1 has no endpoint for.
type roleCommand struct {
	SetPermissions roleSetPermissions `cmd:"" help:"Make these the permissions of a role. The next use of each key that has it obeys."`
	List           roleList           `cmd:"" help:"List the roles of a workspace with their permissions."`
}

type roleSetPermissions struct {
	workspaceFlags
	Role       string   `arg:"" help:"The role's name or id."`
	Permission []string `arg:"" optional:"" help:"Slugs of permissions, made where they are missing. Without one: the role gives none."`
}

// Run changes the role and prints what it gives then.
func (f *roleSetPermissions) Run(ctx context.Context) error {
	store, workspace, err := f.find(ctx)
	if err != nil {
		return err
	}
	role, err := store.SetRolePermissions(ctx, keys.Operator(workspace).As(), catalog.Called(f.Role), keys.Named(f.Permission, catalog.CreateFreely))
	if err != nil {
		return err
	}
	for _, p := range role.Granted {
		fmt.Println(p.Slug)
	}
	return nil
}

type roleList struct{ workspaceFlags }

// Run prints a table.
func (f *roleList) Run(ctx context.Context) error {
	store, workspace, err := f.look(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tPERMISSIONS")
	operator := keys.Operator(workspace).As()
	for ask := (catalog.ListOptions{}); ; {
		page, err := store.Roles(ctx, operator, ask)
		if err != nil {
			return err
		}
		roles, err := store.Granted(ctx, operator, page.Rows)
		if err != nil {
			return err
		}
		for _, r := range roles {
			fmt.Fprintf(table, "%s\t%s\t%s\n", r.ID, r.Name, strings.Join(slugsOf(r), " "))
		}
		if ask.From = page.Next; ask.From == "" {
			return table.Flush()
		}
	}
}

func slugsOf(r catalog.RoleDetails) []string {
	slugs := make([]string, len(r.Granted))
	for i, p := range r.Granted {
		slugs[i] = p.Slug
	}
	return slugs
}
