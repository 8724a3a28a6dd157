package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"tollgate/keys"

	"github.com/schollz/progressbar/v3"
)

// importCommand is `tollgate import`.
type importCommand struct {
	workspaceFlags
	File string `arg:"" help:"A file that 'tollgate export' wrote."`
}

// exportCommand is `tollgate export`.
type exportCommand struct {
	workspaceFlags
	File string `arg:"" help:"The file to write. Until it is complete it is called FILE.part; a second try goes on there."`
}

// maxLine bounds a line of the file, in bytes: a key's record with its meta.
const maxLine = 8 << 20

// progress shows on a terminal how much is done; elsewhere it shows nothing.
func progress(total int64, what string) *progressbar.ProgressBar {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return progressbar.DefaultSilent(total, what)
	}
	return progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(1e8), progressbar.OptionClearOnFinish())
}

// Run writes FILE.part, then gives it its name. Only its owner can read it.
func (f *exportCommand) Run() error {
	ctx := context.Background()
	store, workspace, err := f.find(ctx)
	if err != nil {
		return err
	}
	part, err := openPart(f.File+".part", workspace)
	if err != nil {
		return err
	}
	defer part.file.Close()
	total, err := store.Size(ctx, workspace)
	if err != nil {
		return err
	}
	bar := progress(total, "export")
	_ = bar.Add64(part.lines)
	err = store.Export(ctx, workspace, part.last, func(lines []keys.Line) error {
		_ = bar.Add(len(lines))
		return part.write(lines)
	})
	if err != nil {
		return err
	}
	if err := part.finish(f.File); err != nil {
		return err
	}
	_ = bar.Finish()
	fmt.Fprintf(os.Stderr, "%d records in %s\n", part.lines, f.File)
	return nil
}

// partFile is an export under way.
type partFile struct {
	file  *os.File
	last  *keys.Line // the last complete one; nil for none
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
		var l keys.Line
		if err != nil || json.Unmarshal(line, &l) != nil {
			break // cut off when the export was killed
		}
		if end == 0 && (l.Version != keys.TransferVersion || l.Workspace != workspace) {
			file.Close()
			return nil, usagef("%s is no export of this workspace under way: remove it", name)
		}
		if l.End {
			break // only its new name was missing: the end is written again
		}
		p.last, end = &l, end+int64(len(line))+1
		p.lines++
	}
	if err := file.Truncate(end); err != nil {
		return nil, err
	}
	_, err = file.Seek(end, io.SeekStart)
	return p, err
}

// linesOf gives the complete lines of a file, without their ends.
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
func (p *partFile) write(lines []keys.Line) error {
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

// finish gives the file its name once all of it is on disk.
func (p *partFile) finish(name string) error {
	if err := p.file.Sync(); err != nil {
		return err
	}
	return os.Rename(p.file.Name(), name)
}

// importBatch is how many lines are stored together.
const importBatch = 200

// Run stores what is not there yet, so that it can be repeated after anything.
func (f *importCommand) Run() error {
	ctx := context.Background()
	file, err := os.Open(f.File)
	if err != nil {
		return err
	}
	defer file.Close()
	head, total, err := survey(file)
	if err != nil {
		return err
	}
	store, err := f.open()
	if err != nil {
		return err
	}
	if err := store.Adopt(ctx, f.Workspace, head.Workspace); err != nil {
		return err
	}
	bar := progress(total, "import")
	done, err := importFile(ctx, store, head.Workspace, file, func(n int) { _ = bar.Add(n) })
	if err != nil {
		return err
	}
	_ = bar.Finish()
	fmt.Fprintf(os.Stderr, "%d records stored, %d were there already\n", done.Stored, done.Same)
	if done.Different > 0 {
		return fmt.Errorf("%d records are there with another content, or were deleted there, and were left as they are", done.Different)
	}
	return nil
}

// survey reads the head and counts the lines, and refuses a file that has no end.
func survey(file *os.File) (head keys.Line, total int64, err error) {
	last := []byte(nil)
	for line, err := range linesOf(file) {
		if err != nil {
			return head, 0, usagef("%s is cut off: export again", file.Name())
		}
		if total == 0 && (json.Unmarshal(line, &head) != nil || head.Workspace == "") {
			return head, 0, usagef("%s is no export", file.Name())
		}
		last = line
		total++
	}
	var end keys.Line
	switch {
	case total == 0:
		return head, 0, usagef("%s is no export", file.Name())
	case head.Version != keys.TransferVersion:
		return head, 0, usagef("%s has version %d; this program reads %d", file.Name(), head.Version, keys.TransferVersion)
	case json.Unmarshal(last, &end) != nil || !end.End:
		return head, 0, usagef("%s is cut off: export again", file.Name())
	}
	_, err = file.Seek(0, io.SeekStart)
	return head, total, err
}

func importFile(ctx context.Context, store *keys.Store, workspace string, file io.Reader, step func(int)) (all keys.Imported, err error) {
	var batch []keys.Line
	flush := func() error {
		done, err := store.Import(ctx, workspace, batch)
		all.Stored, all.Same, all.Different = all.Stored+done.Stored, all.Same+done.Same, all.Different+done.Different
		step(len(batch))
		batch = batch[:0]
		return err
	}
	for line, err := range linesOf(file) {
		if err != nil {
			return all, err
		}
		var l keys.Line
		if err := json.Unmarshal(line, &l); err != nil {
			return all, errors.New("a line is not JSON")
		}
		if batch = append(batch, l); len(batch) == importBatch {
			if err := flush(); err != nil {
				return all, err
			}
		}
	}
	if err := flush(); err != nil {
		return all, err
	}
	return all, store.FinishImport(ctx, workspace)
}
