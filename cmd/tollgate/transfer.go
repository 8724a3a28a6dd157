package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/transfer"
	"tollgate/keys/usage"

	"golang.org/x/sync/errgroup"
)

// importCommand is `tollgate import`.
type importCommand struct {
	workspaceFlags
	File string `arg:"" help:"A file that 'tollgate export' wrote; - is standard input, which is kept in a temporary file meanwhile."`
}

// Help says more than one line.
func (importCommand) Help() string {
	return `What is there already is never changed, and counts are set, never added: an import that was stopped is started again
with the same command. Import before the workspace is used there: where counting has begun its counts stand.
What is not stored is named with its line and the reason, and the exit status is 1 then; usage whose retention has ended since is
counted. A file of an earlier version is read as well. A line that can't be is named with its number and field.`
}

// exportCommand is `tollgate export`.
type exportCommand struct {
	workspaceFlags
	finalFlags
	File string `arg:"" help:"The file to write; - is standard output. Until it is complete it is called FILE.part; a second try goes on there. One that is there is not overwritten without being asked for."`
}

// Help says what is in the file and what is not.
func (exportCommand) Help() string {
	return `In the file are APIs, identities, permissions, roles, namespaces with their overrides, groups, migrations and root keys;
keys with their hashes, balances, windows and last use; who redeemed a setup key or was refused; the counters of every limit,
also of those named in requests; usage counts; and the hashes of deleted keys, which stay taken. There is no plaintext in it:
recoverable keys are sealed, and need the same keyset where they are imported. Only its owner can read it.

Not in the file: indexes, lists and revisions, which an import makes anew; keys of deleted APIs, which are being removed; counts
and counters of what was deleted for good, which nobody can ask for; and the workspace's name, which 'import --workspace' gives.

It is no snapshot: what changes meanwhile is written as it is when its turn comes, and keys that are made meanwhile are left
out. For an exact copy stop the gateways first.`
}

// transfers returns a store for exports and imports. How long usage is kept is decided by
// the gateways.
func transfers(s *store.Store) *transfer.Transfer {
	return transfer.New(setupkeys.New(s), usage.NewReader(s, 0))
}

// maxLine bounds a line of the file, in bytes: a namespace can have many overrides.
const maxLine = 64 << 20

// standardStream is the name for standard input and output on the command line.
const standardStream = "-"

// Run writes FILE.part, then gives it its name. Only its owner can read it.
func (f *exportCommand) Run(ctx context.Context) error {
	replace, err := mayReplace(f.File, &f.finalFlags)
	if err != nil {
		return err
	}
	keyStore, workspace, err := f.find(ctx)
	if err != nil {
		return err
	}
	store := transfers(keyStore)
	part := &partFile{file: os.Stdout}
	if f.File != standardStream {
		if part, err = openPart(f.File+".part", workspace); err != nil {
			return err
		}
		defer part.file.Close()
	}
	total, err := store.Size(ctx, workspace)
	if err != nil {
		return err
	}
	bar := progress(total, "export")
	bar.add(int(part.lines))
	err = store.Export(ctx, workspace, part.begun, func(lines []transfer.ExportRecord) error {
		bar.add(len(lines))
		return part.write(lines)
	})
	if err != nil {
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

// mayReplace reports whether a file is there and is to be overwritten.
func mayReplace(name string, f *finalFlags) (bool, error) {
	if name == standardStream {
		return false, nil
	}
	switch _, err := os.Lstat(name); {
	case errors.Is(err, os.ErrNotExist):
		return f.Yes, nil
	case err != nil:
		return false, err
	}
	return true, f.confirm("overwrite " + name)
}

// partFile is an export under way.
type partFile struct {
	file  *os.File
	begun *transfer.ExportCheckpoint // nil for an empty one
	lines int64
}

// openPart opens a file to go on with, behind its last complete line.
func openPart(name, workspace string) (*partFile, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	p := &partFile{file: file}
	end := int64(0)
	for line, err := range linesOf(file) {
		var l transfer.ExportRecord
		if err != nil || json.Unmarshal(line, &l) != nil {
			break // cut off when the export was killed
		}
		if end == 0 && (l.Version != transfer.Version || l.Workspace != workspace) {
			file.Close()
			return nil, usagef("%s is no export of this workspace under way: remove it", name)
		}
		if l.Scan || l.End {
			break // what was found by scanning has no order to go on in
		}
		if end == 0 {
			p.begun = &transfer.ExportCheckpoint{Time: l.Time}
		}
		p.begun.Last, end = l, end+int64(len(line))+1
		p.lines++
	}
	if err := file.Truncate(end); err != nil {
		return nil, err
	}
	_, err = file.Seek(end, io.SeekStart)
	return p, err
}

// linesOf returns the complete lines of a file, without their ends.
func linesOf(file io.Reader) func(func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		r := bufio.NewReaderSize(file, 1<<16)
		for {
			line, err := readLine(r)
			if err == io.EOF && len(line) == 0 || !yield(line, err) || err != nil {
				return
			}
		}
	}
}

// readLine reads one line. One without an end is io.ErrUnexpectedEOF.
func readLine(r *bufio.Reader) ([]byte, error) {
	var all []byte
	for {
		part, err := r.ReadSlice('\n')
		all = append(all, part...)
		switch {
		case err == nil:
			return all[:len(all)-1], nil
		case err == io.EOF && len(all) == 0:
			return nil, io.EOF
		case err == io.EOF:
			return all, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return all, err
		case len(all) > maxLine:
			return all, fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
	}
}

// write appends lines in one write.
func (p *partFile) write(lines []transfer.ExportRecord) error {
	var text []byte
	for _, l := range lines {
		one, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text = append(append(text, one...), '\n')
	}
	p.lines += int64(len(lines))
	_, err := p.file.Write(text)
	return err
}

// finish renames the file to its final name once all of it is on disk. Without replace, one that has
// the name by now stays, and the export keeps its own.
func (p *partFile) finish(name string, replace bool) error {
	if err := p.file.Sync(); err != nil {
		return err
	}
	if _, err := os.Lstat(name); err == nil && !replace {
		return fmt.Errorf("%s was made meanwhile: the export is complete in %s", name, p.file.Name())
	}
	return os.Rename(p.file.Name(), name)
}

// How many lines are stored together, how many bytes of them, and how many batches
// are on their way side by side: the program reads lines while Redis stores others.
const (
	importBatch   = 200
	importBytes   = 4 << 20
	importBatches = 4
)

// Run stores what is not there yet, so that it can be repeated after anything.
func (f *importCommand) Run(ctx context.Context) (err error) {
	file, err := openInput(f.File)
	if err != nil {
		return err
	}
	defer file.Close()
	head, total, err := survey(file, f.File)
	if err != nil {
		return err
	}
	keyStore, err := f.openCommand()
	if err != nil {
		return err
	}
	store := transfers(keyStore)
	if err := store.Mark(ctx); err != nil {
		return err
	}
	if err := store.EnsureWorkspaceID(ctx, f.Workspace, head.Workspace); err != nil {
		return err
	}
	ctx, end := keyStore.Audit.Begin(ctx, keys.Operator(head.Workspace), audit.ImportWorkspace)
	defer end(&err)
	bar := progress(total, "import")
	done, err := importFile(ctx, store, file, f.File, head, bar.add)
	if err != nil {
		return err
	}
	bar.finish()
	fmt.Fprintf(os.Stderr, "%d records stored, %d were there already\n", done.Stored, done.Same)
	if done.Expired > 0 {
		fmt.Fprintf(os.Stderr, "%d usage counts not stored: their retention has ended\n", done.Expired)
	}
	if done.Different > 0 {
		return fmt.Errorf("%d records were not stored, see above", done.Different)
	}
	return nil
}

// leftOutLines is how many lines that were not stored are named one by one.
const leftOutLines = 100

// leftOut collects what an import did not store, and why.
type leftOut struct {
	lines  []string
	counts map[string]int // by kind and reason
}

func (o *leftOut) add(numbers []int, all []transfer.LeftOut) {
	for _, l := range all {
		if o.counts == nil {
			o.counts = map[string]int{}
		}
		o.counts[l.Kind+" "+l.Why]++
		if len(o.lines) < leftOutLines {
			o.lines = append(o.lines, fmt.Sprintf("line %d: %s %s %s", numbers[l.Index], l.Kind, keys.Redact(l.ID), l.Why))
		}
	}
}

// tell writes the first lines, and how many there are of each reason.
func (o *leftOut) tell(out io.Writer) {
	for _, line := range o.lines {
		fmt.Fprintln(out, "not stored: "+line)
	}
	for _, reason := range slices.Sorted(maps.Keys(o.counts)) {
		fmt.Fprintf(out, "not stored: %d times: %s\n", o.counts[reason], reason)
	}
}

// openInput opens a file to read. Standard input is kept in a temporary one that only its owner can
// read and that nothing leads to: the end is looked for before anything is stored.
func openInput(name string) (*os.File, error) {
	if name != standardStream {
		return os.Open(name)
	}
	file, err := os.CreateTemp("", "tollgate-import-*")
	if err != nil {
		return nil, err
	}
	if err = os.Remove(file.Name()); err == nil {
		_, err = io.Copy(file, os.Stdin)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// survey reads the head and counts the lines, and refuses a file that has no end.
func survey(file *os.File, name string) (head transfer.ExportRecord, total int64, err error) {
	last := []byte(nil)
	for line, err := range linesOf(file) {
		if err != nil {
			return head, 0, usagef("%s is cut off: export again", name)
		}
		if total == 0 && (json.Unmarshal(line, &head) != nil || head.Workspace == "") {
			return head, 0, usagef("%s is no export", name)
		}
		last = line
		total++
	}
	var end transfer.ExportRecord
	switch {
	case total == 0:
		return head, 0, usagef("%s is no export", name)
	case head.Version < 1 || head.Version > transfer.Version:
		return head, 0, usagef("%s has version %d; this program reads 1 to %d", name, head.Version, transfer.Version)
	case json.Unmarshal(last, &end) != nil || !end.End:
		return head, 0, usagef("%s is cut off: export again", name)
	}
	return head, total, err
}

// importFile stores the lines of a file. Version 1 has counters before what they
// belong to: there they are stored in a second pass.
func importFile(ctx context.Context, store *transfer.Transfer, file *os.File, name string, head transfer.ExportRecord, step func(int)) (transfer.Imported, error) {
	i := &importing{store: store, file: name, workspace: head.Workspace, step: step}
	late := func(l transfer.ExportRecord) bool { return head.Version == 1 && l.Counter != "" }
	err := i.pass(ctx, file, func(l transfer.ExportRecord) bool { return !late(l) })
	if err == nil && head.Version == 1 {
		err = i.pass(ctx, file, late)
	}
	i.left.tell(os.Stderr)
	if err != nil {
		return i.done, err
	}
	return i.done, store.FinishImport(ctx, head.Workspace)
}

// importing is an import under way.
type importing struct {
	store     *transfer.Transfer
	file      string
	workspace string
	step      func(int)

	mu      sync.Mutex
	done    transfer.Imported
	left    leftOut
	batch   batch
	sent    errgroup.Group // batches of one kind of lines
	failing atomic.Bool
}

// batch is lines that are stored together.
type batch struct {
	lines   []transfer.ExportRecord
	numbers []int // in the file
	kind    string
	bytes   int
}

// pass stores those of a file's lines that are wanted. Lines of a kind may refer to
// those of the kinds before, so these are stored first.
func (i *importing) pass(ctx context.Context, file *os.File, wanted func(transfer.ExportRecord) bool) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	i.sent.SetLimit(importBatches)
	if err := i.read(ctx, file, wanted); err != nil {
		return cmp.Or(i.sent.Wait(), err)
	}
	i.flush(ctx)
	return i.sent.Wait()
}

func (i *importing) read(ctx context.Context, file *os.File, wanted func(transfer.ExportRecord) bool) error {
	number := 0
	for line, err := range linesOf(file) {
		number++
		var l transfer.ExportRecord
		if err == nil {
			l, err = readImport(line)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", i.file, number, err)
		}
		if !wanted(l) {
			continue
		}
		if kind := l.Together(); kind != i.batch.kind {
			i.flush(ctx)
			if err := i.sent.Wait(); err != nil {
				return err
			}
			i.batch.kind = kind
		}
		i.batch.lines, i.batch.numbers, i.batch.bytes = append(i.batch.lines, l), append(i.batch.numbers, number), i.batch.bytes+len(line)
		if len(i.batch.lines) == importBatch || i.batch.bytes > importBytes {
			i.flush(ctx)
		}
		if i.failing.Load() {
			return nil // the group has the error
		}
	}
	return nil
}

// readImport reads a line as nothing but what it may be.
func readImport(text []byte) (l transfer.ExportRecord, err error) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err = in.Decode(&l); err == nil && in.More() {
		err = errors.New("more than one value")
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		err = fmt.Errorf("%s: is a %s", wrong.Field, wrong.Value)
	}
	return l, err
}

// flush sends the batch on its way.
func (i *importing) flush(ctx context.Context) {
	one := i.batch
	i.batch = batch{kind: one.kind}
	if len(one.lines) == 0 {
		return
	}
	i.sent.Go(func() error {
		err := i.storeBatch(ctx, one)
		if err != nil {
			i.failing.Store(true)
		}
		return err
	})
}

// storeBatch stores a batch, and says of which line it can't.
func (i *importing) storeBatch(ctx context.Context, one batch) error {
	done, err := i.store.Import(ctx, i.workspace, one.lines)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.done.Stored, i.done.Same, i.done.Different = i.done.Stored+done.Stored, i.done.Same+done.Same, i.done.Different+done.Different
	i.done.Expired += done.Expired
	i.left.add(one.numbers, done.LeftOut)
	i.step(len(one.lines))
	var bad *transfer.BadRecord
	if errors.As(err, &bad) {
		err = fmt.Errorf("%s:%d: %w", i.file, one.numbers[bad.Index], bad)
	}
	return err
}
