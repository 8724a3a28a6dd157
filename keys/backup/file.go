package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"tollgate/keys/transfer"
)

// Version is the version of the format.
const Version = 1

// maxLine bounds a line of a file, in bytes: a namespace can have many overrides.
const maxLine = 64 << 20

// Workspace is a workspace of a backup.
type Workspace struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// head is the first line of a file.
type head struct {
	Backup     int         `json:"backup"`   // the version of the format
	Tollgate   int         `json:"tollgate"` // that of the exports
	Time       int64       `json:"time"`     // unix ms, of the store
	Workspaces []Workspace `json:"workspaces"`
}

// tail is the last line of a file.
type tail struct {
	Records int64  `json:"records"` // lines between the two
	SHA256  string `json:"sha256"`  // of everything before this line, in hex
}

// File is a backup that was read to its end and is whole.
type File struct {
	Records    int64
	Workspaces []Workspace
	in         io.ReadSeeker
}

var (
	errNone    = errors.New("is no backup")
	errCut     = errors.New("is cut off: it has no last line")
	errChanged = errors.New("was changed or damaged: its contents are not those of its checksum")
)

// Open reads a file to its end, and refuses one that is not what a backup wrote.
func Open(in io.ReadSeeker) (*File, error) {
	f := &File{in: in}
	var first head
	var last tail
	sum, pending := sha256.New(), []byte(nil) // pending is a line that may be the last one
	err := eachLine(in, func(number int, line []byte) error {
		if number == 1 && (json.Unmarshal(line, &first) != nil || first.Backup == 0) {
			return errNone
		}
		sum.Write(pending)
		pending = append(append(pending[:0], line...), '\n')
		f.Records = int64(number) - 2
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case first.Backup == 0:
		return nil, errNone
	case first.Backup > Version || first.Tollgate > transfer.Version:
		return nil, fmt.Errorf("was written by a newer version of Tollgate")
	case json.Unmarshal(pending, &last) != nil || last.SHA256 == "":
		return nil, errCut
	case last.SHA256 != hex.EncodeToString(sum.Sum(nil)) || last.Records != f.Records:
		return nil, errChanged
	}
	f.Workspaces = first.Workspaces
	return f, nil
}

// eachLine calls a function with each line from the first on, and its number, counted from 1.
func eachLine(in io.ReadSeeker, use func(number int, line []byte) error) error {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	lines.Split(wholeLines)
	for number := 1; lines.Scan(); number++ {
		if err := use(number, lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// wholeLines splits at newlines. A last line without one is cut off.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errCut
	}
	return 0, nil, nil
}
