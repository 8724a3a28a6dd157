package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/store"
)

// apiCommand is `tollgate api`.
type apiCommand struct {
	Create    apiCreate    `cmd:"" help:"Create an API and print its id."`
	List      apiList      `cmd:"" help:"List the APIs of a workspace."`
	Protect   apiProtect   `cmd:"" help:"Protect an API against deletion."`
	Unprotect apiUnprotect `cmd:"" help:"Let an API be deleted again."`
	AllowIP   apiAllowIP   `cmd:"" name:"allow-ip" help:"Make these the addresses from which an API's keys may be used. The address is that of whoever sends the verification to the gateway: the other end of its connection, or whom a proxy named, if 'tollgate serve' trusts it (--trusted-proxies, --client-ip-header). An address that is unknown is not allowed."`
}

// operator opens the store as one who may do everything in a workspace.
func (f *workspaceFlags) operator(ctx context.Context) (*store.Store, keys.Access, error) {
	store, workspace, err := f.find(ctx)
	return store, keys.Operator(workspace).As(), err
}

// reader is operator for a command that only reads.
func (f *workspaceFlags) reader(ctx context.Context) (*store.Store, keys.Access, error) {
	store, workspace, err := f.look(ctx)
	return store, keys.Operator(workspace).As(), err
}

type apiCreate struct {
	workspaceFlags
	Name string `arg:"" help:"The API's name, of 3 to 256 characters."`
}

// Run makes the default workspace too, where it is missing.
func (f *apiCreate) Run(ctx context.Context) error {
	store, workspace, err := f.ensure(ctx)
	if err != nil {
		return err
	}
	api, err := store.CreateAPI(ctx, keys.Operator(workspace).As(), f.Name)
	if err != nil {
		return asUsage(err)
	}
	fmt.Println(api.ID)
	return nil
}

type apiList struct{ workspaceFlags }

// Run prints a table.
func (f *apiList) Run(ctx context.Context) error {
	store, operator, err := f.reader(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tPROTECTED\tALLOWED ADDRESSES")
	for ask := (catalog.ListOptions{}); ; {
		page, err := store.APIs(ctx, operator, ask)
		if err != nil {
			return err
		}
		for _, api := range page.Rows {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", api.ID, api.Name, yesNo(api.Protected), orAll(api.AllowedIPs))
		}
		if ask.From = page.Next; ask.From == "" {
			return table.Flush()
		}
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func orAll(list []string) string {
	if len(list) == 0 {
		return "all"
	}
	return strings.Join(list, " ")
}

// oneAPI names an API.
type oneAPI struct {
	workspaceFlags
	API string `arg:"" help:"The API's id."`
}

type apiProtect struct{ oneAPI }

// Run protects.
func (f *apiProtect) Run(ctx context.Context) error { return f.protect(ctx, true) }

type apiUnprotect struct{ oneAPI }

// Run ends the protection.
func (f *apiUnprotect) Run(ctx context.Context) error { return f.protect(ctx, false) }

func (f *oneAPI) protect(ctx context.Context, yes bool) error {
	store, operator, err := f.operator(ctx)
	if err != nil {
		return err
	}
	return store.ProtectAPI(ctx, operator, f.API, yes)
}

type apiAllowIP struct {
	oneAPI
	Address []string `arg:"" optional:"" help:"Addresses, and networks such as 10.0.0.0/8. Without one: every address."`
}

// Run replaces the list.
func (f *apiAllowIP) Run(ctx context.Context) error {
	store, operator, err := f.operator(ctx)
	if err != nil {
		return err
	}
	return asUsage(store.AllowIPs(ctx, operator, f.API, f.Address))
}

// asUsage makes a wrong command line of input that the domain refuses.
func asUsage(err error) error {
	var refused *keys.Error
	if errors.As(err, &refused) && refused.Kind == keys.KindInvalid {
		return usageError{refused.Error()}
	}
	return err
}
