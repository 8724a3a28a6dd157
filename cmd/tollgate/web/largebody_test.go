package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

type row struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

// rowsOf are so many rows of about a KiB, some with what JSON may write in two ways.
func rowsOf(n int) Rows[row] {
	rows := make(Rows[row], n)
	for i := range rows {
		rows[i] = row{i, strings.Repeat("<x&>", 250)}
	}
	return rows
}

// withLists adds an endpoint that answers with so many rows.
func (k *kit) withLists() {
	for _, n := range []int{0, 1, 2, 5000} {
		k.router.Add(k.router.dialects[1], Route{Method: "GET", Path: fmt.Sprintf("/v1/rows/%d", n), Name: fmt.Sprintf("rows%d", n), Public: true,
			Endpoint: Heavy(Plain(func(*Call) (Rows[row], error) { return rowsOf(n), nil }))})
	}
}

// A list is the same bytes as if it had been encoded at once, whatever its size.
func TestRowsAreEncodedAsAWhole(t *testing.T) {
	k := serve(t, nil)
	k.withLists()
	for _, n := range []int{0, 1, 2, 5000} {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		_ = enc.Encode([]row(rowsOf(n)))
		url := fmt.Sprintf("http://%s/v1/rows/%d", k.addr, n)
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if res.Body.Close(); err != nil || !bytes.Equal(got, bytes.TrimSpace(want.Bytes())) || res.ContentLength != int64(len(got)) {
			t.Errorf("%d rows: %v, %d bytes of which %d were announced, want %d", n, err, len(got), res.ContentLength, want.Len()-1)
		}
		head, err := http.Head(url)
		if err != nil || head.ContentLength != int64(len(got)) {
			t.Errorf("HEAD of %d rows: %v, %d bytes are announced", n, err, head.ContentLength)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	k.within("when all is read", func(used int64) bool { return used == 0 })
}

// Large answers that nobody reads take a part of the budget. What does not fit is 503, other
// requests are served, and what was held is free when their readers are gone.
func TestUnreadAnswersStayWithinTheBudget(t *testing.T) {
	const budget = 64 << 20
	k := serve(t, func(c *Config) { c.MaxMemory, c.WriteTimeout = budget, 20*time.Second })
	k.withLists()
	refused := 0
	for range 20 { // of 5 MB each
		c := k.start("GET /v1/rows/5000 HTTP/1.1\nHost: x\n\n")
		first := make([]byte, 12)
		if _, err := io.ReadFull(c, first); err != nil {
			t.Fatal(err)
		}
		if string(first) == "HTTP/1.1 503" {
			refused++
		}
		if used := k.MemoryUsed(); used > budget/4+20*k.config.connShare() {
			t.Fatalf("%d bytes are in use", used)
		}
		defer c.Close()
		if refused > 0 && k.MemoryRefused() == 0 {
			t.Error("a refusal is not counted")
		}
	}
	if refused < 15 || refused > 18 {
		t.Errorf("%d of 20 were refused", refused)
	}
	wantAnswer(t, k.say(post("/v2/greet", known, named(1<<19))), 200, "hello")
	wantAnswer(t, k.say("GET /v1/rows/2 HTTP/1.1\nHost: x\nConnection: close\n\n"), 200, `"n":1`)
}

// One answer of a workspace always has room; another workspace's does while many of the
// first are held.
func TestAnswersOfWorkspacesLeaveRoom(t *testing.T) {
	m := newMemory(1600)
	a := &answers{memory: m, of: map[string]int64{}}
	end, ok := a.reserve("large", 1400)
	if !ok {
		t.Fatal("the only one was refused")
	}
	end()
	end()
	if m.used.Load() != 0 || len(a.of) != 0 {
		t.Errorf("%d bytes are in use afterwards, of %v", m.used.Load(), a.of)
	}
	var ends []func()
	for {
		end, ok := a.reserve("loud", 100)
		if !ok {
			break
		}
		ends = append(ends, end)
	}
	if len(ends) != 4 {
		t.Errorf("%d answers of a workspace, want 4", len(ends))
	}
	for _, other := range []string{"one", "two", "two", "three"} {
		if _, ok := a.reserve(other, 100); !ok {
			t.Errorf("%s was refused", other)
		}
	}
	if _, ok := a.reserve("two", 100); ok {
		t.Error("large answers take more than half of the memory")
	}
}

// splitRow is a row whose member is written as it is.
type splitRow struct {
	Before string          `json:"before"`
	Meta   json.RawMessage `json:"meta,omitempty"`
	After  string          `json:"after"`
}

func (r *splitRow) Split() (row any, member json.RawMessage) {
	if len(r.Meta) == 0 {
		return r, nil
	}
	without := *r
	without.Meta = Elsewhere
	return &without, r.Meta
}

// What a Split writes is what encoding/json writes, whatever stands around the member.
func TestSplitRows(t *testing.T) {
	rows := Rows[splitRow]{
		{"a", json.RawMessage(`{"a":"<\u2028>","meta":{"meta":[1,"\""]}}`), `"meta":`},
		{`{"meta":1}`, nil, "b"},
		{strings.Repeat("x", 100), json.RawMessage(`{}`), strings.Repeat("y", 100)},
	}
	var got, want bytes.Buffer
	for part := range rows.Parts() {
		if text, ok := part.(Text); ok {
			got.WriteString(string(text))
		} else if err := encodePart(&got, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := encode(&want, rows); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("got\n%s\nwant\n%s", &got, &want)
	}
}
