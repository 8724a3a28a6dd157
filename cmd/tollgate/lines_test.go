package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/iotest"
)

// whole is the smallest export.
const whole = `{"tollgate":2,"workspace":"ws_17","time":1}` + "\n" + `{"noun":"api","id":"api_17","stored":"AA=="}` + "\n" + `{"end":true}` + "\n"

// Whatever is in a file, and in whatever pieces it comes: its lines are the file. Only the last one can
// be cut off, and then it is told from a complete one. What is read of a line is written and read
// again as the same.
func FuzzLines(f *testing.F) {
	version, err := os.ReadFile(version1)
	if err != nil {
		f.Fatal(err)
	}
	long := bytes.Repeat([]byte("x"), 1<<16)
	for _, text := range [][]byte{
		version, []byte(whole), version[:len(version)-1], version[:len(version)/2], nil, []byte("\n"), []byte("\n\n{}"), []byte("\r\n\x00\n"),
		[]byte(`{"key":null}{}` + "\n"), []byte(`{"stored":"!"}` + "\n"), []byte(`{"ttl":1e99}` + "\n"), long, append(long, '\n'), append(long, "\n\nx"...),
	} {
		f.Add(text, byte(len(text)))
	}
	readers := []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader}
	f.Fuzz(func(t *testing.T, text []byte, pieces byte) {
		var again []byte
		cut := false
		for line, err := range linesOf(readers[int(pieces)%len(readers)](bytes.NewReader(text))) {
			switch {
			case cut || bytes.ContainsRune(line, '\n'):
				t.Fatalf("%q is no line, or follows the last", line)
			case errors.Is(err, io.ErrUnexpectedEOF):
				cut = true
				again = append(again, line...)
				continue
			case err != nil:
				t.Fatal(err)
			}
			again = append(append(again, line...), '\n')
			rewritten(t, line)
		}
		if !bytes.Equal(again, text) || cut != (len(text) > 0 && text[len(text)-1] != '\n') {
			t.Fatalf("%q was read as %q, cut off %t", text, again, cut)
		}
	})
}

func rewritten(t *testing.T, line []byte) {
	one, err := readImport(line)
	if err != nil {
		return
	}
	text, err := json.Marshal(one)
	if err != nil {
		t.Fatal(err)
	}
	again, err := readImport(text)
	second, _ := json.Marshal(again)
	if err != nil || !bytes.Equal(second, text) || again.Together() != one.Together() {
		t.Fatalf("%q is written as %s, read again as %s: %v", line, text, second, err)
	}
}

// Whatever was left of an export that was stopped: it is refused and left as it is, or goes on behind
// its last good line, and finds the same place when it is stopped again.
func FuzzPart(f *testing.F) {
	for _, text := range []string{"", whole, whole[:len(whole)-1], whole[:50], whole + whole, "{}\n", `{"tollgate":2}`, "\x00\n" + whole, `{"tollgate":2,"workspace":"ws_17","scan":true}` + "\n"} {
		f.Add([]byte(text))
	}
	name := filepath.Join(f.TempDir(), "part")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		part, err := openPart(name, "ws_17")
		left, _ := os.ReadFile(name)
		if err != nil {
			if !bytes.Equal(left, text) {
				t.Fatalf("%q was refused, and is %q now", text, left)
			}
			return
		}
		defer part.file.Close()
		at, _ := part.file.Seek(0, io.SeekCurrent)
		if !bytes.HasPrefix(text, left) || at != int64(len(left)) || part.lines != int64(bytes.Count(left, []byte("\n"))) || (part.begun == nil) != (len(left) == 0) {
			t.Fatalf("%q goes on at %d behind %q, %d lines", text, at, left, part.lines)
		}
		again, err := openPart(name, "ws_17")
		if err != nil {
			t.Fatalf("%q was taken, and %q is refused: %v", text, left, err)
		}
		defer again.file.Close()
		if kept, _ := os.ReadFile(name); !bytes.Equal(kept, left) || !reflect.DeepEqual(again.begun, part.begun) {
			t.Fatalf("%q goes on behind %q the first time, and %q the second", text, left, kept)
		}
	})
}
