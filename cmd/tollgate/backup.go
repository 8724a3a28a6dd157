package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"tollgate/keys/backup"
)

// backupCommand is `tollgate backup`.
type backupCommand struct {
	storeFlags
	finalFlags
	File string `arg:"" help:"The file to write; - is standard output. Until it is complete it is called FILE.part. One that is there is not overwritten without being asked for."`
}

// Help says what is in the file and what is not.
func (backupCommand) Help() string {
	return `In the file are all workspaces with their names, and of each what 'tollgate export' writes of it: definitions, root keys and
keys with their hashes, balances, windows and last use, redemptions, counters, usage counts, and the hashes of deleted keys. Its
last line has the number of records and a checksum. There is no plaintext in it: recoverable keys are sealed, and need the same
keyset where they are restored. Only its owner can read it.

It is taken while gateways run: each key is whole, and what changes meanwhile is written as it is when its turn comes. For an
exact copy stop the gateways first. A backup that is stopped is started from the beginning.`
}

// Run writes FILE.part, then gives it its name.
func (f *backupCommand) Run(ctx context.Context) error {
	replace, err := mayReplace(f.File, &f.finalFlags)
	if err != nil {
		return err
	}
	keyStore, err := f.openCommand()
	if err != nil {
		return err
	}
	store := transfers(keyStore)
	total, err := backup.Size(ctx, store)
	if err != nil {
		return err
	}
	part := &partFile{file: os.Stdout}
	if f.File != standardStream {
		if part.file, err = os.OpenFile(f.File+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
			return err
		}
		defer part.file.Close()
	}
	bar := progress(total, "backup")
	if part.lines, err = backup.Write(ctx, store, part.file, bar.add); err != nil {
		return err
	}
	if f.File != standardStream {
		if err := part.finish(f.File, replace); err != nil {
			return err
		}
	}
	bar.finish()
	fmt.Fprintf(os.Stderr, "%d records in %s\n", part.lines, f.File)
	return nil
}

// restoreCommand is `tollgate restore`.
type restoreCommand struct {
	storeFlags
	finalFlags
	File string `arg:"" help:"A file that 'tollgate backup' wrote; - is standard input, which is kept in a temporary file meanwhile."`
}

// Help says more than one line.
func (restoreCommand) Help() string {
	return `The file is read to its end first: one that is cut off or was changed stores nothing. Afterwards each record is compared with
what the store has. What differs is named with its line and the reason, and the exit status is 1 then.

Restore into an empty store, before a gateway runs on it. Into one that is not empty it restores when told so: what is there
already is never changed, and counts are set, never added. So a restore that was stopped is started again with --yes.`
}

// Run restores and verifies.
func (f *restoreCommand) Run(ctx context.Context) error {
	file, err := openInput(f.File)
	if err != nil {
		return err
	}
	defer file.Close()
	from, err := backup.Open(file)
	if err != nil {
		return usagef("%s %s", f.File, err)
	}
	keyStore, err := f.openCommand()
	if err != nil {
		return err
	}
	store := transfers(keyStore)
	there, err := store.Workspaces(ctx)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		if err := f.confirm("restore into a store that is not empty"); err != nil {
			return err
		}
	}
	if err := errors.Join(store.Mark(ctx), from.Fits(ctx, store)); err != nil {
		return err
	}
	bar := progress(2*from.Records, "restore")
	done, err := from.Restore(ctx, store, bar.add)
	if err != nil {
		return fmt.Errorf("%s: %w", f.File, err)
	}
	bar.finish()
	return f.conclude(done)
}

// conclude says what became of the file.
func (f *restoreCommand) conclude(done *backup.Restored) error {
	for _, line := range done.Left {
		fmt.Fprintln(os.Stderr, "differs: "+line)
	}
	fmt.Fprintf(os.Stderr, "%d records stored, %d were there already\n", done.Stored, done.Same)
	if done.Expired > 0 {
		fmt.Fprintf(os.Stderr, "%d usage counts not stored: their retention has ended\n", done.Expired)
	}
	if done.Count > 0 {
		return fmt.Errorf("%d records are not in the store as they are in the file", done.Count)
	}
	fmt.Fprintln(os.Stderr, "every record was compared with the store")
	return nil
}
