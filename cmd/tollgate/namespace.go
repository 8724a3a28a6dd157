package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"tollgate/keys"
	"tollgate/keys/catalog"
)

// namespaceCommand is `tollgate namespace`: what no dialect has an endpoint for.
type namespaceCommand struct {
	List   namespaceList   `cmd:"" help:"List the rate limit namespaces of a workspace."`
	Delete namespaceDelete `cmd:"" help:"Delete a namespace with its overrides. Its name stays taken: limiting in it is refused at once."`
}

type namespaceList struct{ workspaceFlags }

// Run prints a table.
func (f *namespaceList) Run(ctx context.Context) error {
	store, operator, err := f.reader(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tOVERRIDES\tDELETED")
	for ask := (catalog.ListOptions{}); ; {
		page, err := store.NamespaceList(ctx, operator, ask)
		if err != nil {
			return err
		}
		for _, n := range page.Rows {
			fmt.Fprintf(table, "%s\t%q\t%d\t%s\n", n.ID, n.Name, len(n.Overrides), yesNo(n.DeletedAt != 0))
		}
		if ask.From = page.Next; ask.From == "" {
			return table.Flush()
		}
	}
}

type namespaceDelete struct {
	workspaceFlags
	finalFlags
	Namespace string `arg:"" help:"The namespace's name or id."`
}

// Run deletes.
func (f *namespaceDelete) Run(ctx context.Context) error {
	if err := f.confirm("delete namespace " + keys.Redact(f.Namespace) + " and keep its name taken"); err != nil {
		return err
	}
	store, operator, err := f.operator(ctx)
	if err != nil {
		return err
	}
	return store.DeleteNamespace(ctx, operator, keys.NamespaceRef{Name: f.Namespace})
}
