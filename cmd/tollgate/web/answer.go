package web

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"iter"
	"runtime"
	"sync"
)

// Appender is implemented by answers on the hot path that write themselves.
type Appender interface {
	AppendJSON(dst []byte) []byte
}

// Parted is implemented by answers that are, or hold, a list, which may be large. They are
// encoded part by part, and other requests have a turn in between.
type Parted interface {
	// Parts are JSON as it is written, where they are a Text, and otherwise values to encode.
	Parts() iter.Seq[any]
}

// Text is JSON, or a piece of it.
type Text string

// Rows is an answer that is an array and nothing else.
type Rows[T any] []T

// Parts implements Parted.
func (r Rows[T]) Parts() iter.Seq[any] { return Array("", r) }

// Array is the parts of a list of rows, with JSON before it and parts behind it.
func Array[T any](before Text, rows []T, behind ...any) iter.Seq[any] {
	return func(yield func(any) bool) {
		between := before + "["
		for i := range rows {
			if !yield(between) || !yield(&rows[i]) {
				return
			}
			between = ","
		}
		if len(rows) == 0 && !yield(between) {
			return
		}
		if !yield(Text("]")) {
			return
		}
		for _, part := range behind {
			if !yield(part) {
				return
			}
		}
	}
}

// WriteJSON sets the answer's body.
func (c *Call) WriteJSON(v any) error {
	if a, ok := v.(Appender); ok {
		c.body = a.AppendJSON(c.body[:0])
		c.Write("application/json", c.body)
		return nil
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer keep(buf)
	buf.Reset()
	if p, ok := v.(Parted); ok {
		return c.writeParts(buf, p.Parts())
	}
	if err := encode(buf, v); err != nil {
		return err
	}
	c.Write("application/json", buf.Bytes())
	return nil
}

// writeParts sets the answer's body, part by part.
func (c *Call) writeParts(buf *bytes.Buffer, parts iter.Seq[any]) error {
	w := pieceWriter{buf: buf}
	for part := range parts {
		if text, ok := part.(Text); ok {
			buf.WriteString(string(text))
			continue
		}
		if err := encodePart(buf, part); err != nil {
			return err
		}
		if w.cut(pieceSize) {
			runtime.Gosched()
			c.turn.Rest()
		}
	}
	if len(w.pieces) == 0 {
		c.Write("application/json", buf.Bytes())
		return nil
	}
	w.cut(1)
	return c.setLarge("application/json", w.pieces, w.n)
}

// Split is implemented by rows with a member that is JSON, valid and maybe large, such as
// metadata: encoding/json would read all of it once more, which takes longer than the rest of
// the answer.
type Split interface {
	// Split returns the row with Elsewhere in place of that member, and the member. It
	// returns the row as it is where the member is empty.
	Split() (row any, member json.RawMessage)
}

// Elsewhere stands for the member of a Split. Nobody can guess it, and it is never sent.
var Elsewhere = json.RawMessage(`"` + rand.Text() + `"`)

// encodePart appends a part of an answer as JSON to buf.
func encodePart(buf *bytes.Buffer, part any) error {
	split, ok := part.(Split)
	if !ok {
		return encode(buf, part)
	}
	begin := buf.Len()
	row, member := split.Split()
	if err := encode(buf, row); err != nil || len(member) == 0 {
		return err
	}
	_, behind, _ := bytes.Cut(buf.Bytes()[begin:], Elsewhere)
	behind = bytes.Clone(behind)
	buf.Truncate(buf.Len() - len(behind) - len(Elsewhere))
	buf.Write(member)
	buf.Write(behind)
	return nil
}

// encode appends a value as JSON to buf.
func encode(buf *bytes.Buffer, v any) error {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	buf.Truncate(buf.Len() - 1) // the line break
	return nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func keep(buf *bytes.Buffer) {
	if buf.Cap() <= 4*pooledAnswer {
		buffers.Put(buf)
	}
}
