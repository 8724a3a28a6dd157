package main

import (
	"context"
	"fmt"
)

// storeCommand is `tollgate store`.
type storeCommand struct {
	Accept storeAccept `cmd:"" help:"Accept a store that has lost its data as it is."`
}

type storeAccept struct {
	storeFlags
	finalFlags
}

// Help says when the command is needed.
func (c *storeAccept) Help() string {
	return "A store that was used and then lost its data, by FLUSHALL or by a restart without persistence, is answered for with 503, so that no key is called unknown that was only lost. " +
		"Restore the data, or accept the store as it is: from then on what was lost is not found. On a Cluster this is about every shard."
}

// Run asks, unless told not to, and accepts.
func (c *storeAccept) Run(ctx context.Context) error {
	store, err := c.openCommand()
	if err != nil {
		return err
	}
	lost, err := store.Lost(ctx)
	if err != nil {
		return err
	}
	if !lost {
		fmt.Println("Nothing is lost.")
		return nil
	}
	if err := c.confirm("accept the store as it is, so that what it has lost is not found"); err != nil {
		return err
	}
	if err := store.Accept(ctx); err != nil {
		return err
	}
	fmt.Println("Accepted.")
	return nil
}
