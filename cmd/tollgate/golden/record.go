package golden

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	idPattern     = regexp.MustCompile(`\b(?:(?:key|api|ws|perm|role|id|rlns|rlor|rl)_[1-9A-HJ-NP-Za-km-z]{17}|aud_[0-9]{16}[1-9A-HJ-NP-Za-km-z]{6}|req_[0-9a-v]{20})\b`)
	secretPattern = regexp.MustCompile(`("key":")[^"]*[1-9A-HJ-NP-Za-km-z]{18,}(")`)
	startPattern  = regexp.MustCompile(`("start":"(?:[A-Za-z0-9_]*_)?)[1-9A-HJ-NP-Za-km-z]{4,5}(")`)
	cursorPattern = regexp.MustCompile(`("cursor":")[^"]*(")`)
	timePattern   = regexp.MustCompile(`\b1[0-9]{12}\b|\b2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)

	// NetBird's ids, its setup keys in either case, and what is left of them when masked.
	xidPattern    = regexp.MustCompile(`\b[0-9a-v]{20}\b`)
	uuidPattern   = regexp.MustCompile(`(?i)\b[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\b`)
	maskedPattern = regexp.MustCompile(`"[0-9A-F]{5}\*{4}"`)
)

// alike makes what differs from run to run the same.
func (r *Recording) alike(text string) string {
	text = secretPattern.ReplaceAllString(text, `${1}<secret>${2}`)
	text = startPattern.ReplaceAllString(text, `${1}<start>${2}`)
	text = timePattern.ReplaceAllString(text, "<time>")
	text = uuidPattern.ReplaceAllString(text, "<secret>")
	text = maskedPattern.ReplaceAllString(text, `"<start>****"`)
	text = xidPattern.ReplaceAllStringFunc(text, func(id string) string { return r.numbered("xid", id) })
	return idPattern.ReplaceAllStringFunc(text, func(id string) string {
		kind, _, _ := strings.Cut(id, "_")
		if kind == "req" {
			return "<req>"
		}
		return r.numbered(kind, id)
	})
}

// numbered is the same for an id wherever it stands.
func (r *Recording) numbered(kind, id string) string {
	if r.ids[id] == "" {
		r.count[kind]++
		r.ids[id] = fmt.Sprintf("<%s %d>", kind, r.count[kind])
	}
	return r.ids[id]
}

// sortedRows sorts the rows of an array by their text without ids. The answer's
// other bytes stay as they are.
func sortedRows(body []byte, member string) []byte {
	array := json.RawMessage(body)
	if member != "" {
		var members map[string]json.RawMessage
		_ = json.Unmarshal(body, &members)
		array = members[member]
	}
	var rows []json.RawMessage
	if json.Unmarshal(array, &rows) != nil || len(rows) == 0 {
		return body
	}
	slices.SortFunc(rows, func(a, b json.RawMessage) int {
		return bytes.Compare(idPattern.ReplaceAll(a, nil), idPattern.ReplaceAll(b, nil))
	})
	sorted, _ := json.Marshal(rows) // they were JSON a moment ago
	return bytes.Replace(body, array, sorted, 1)
}

// compare holds the record against its file, or writes it.
func (r *Recording) compare(file string) {
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			r.t.Error(err)
		}
		if err := os.WriteFile(file, r.text.Bytes(), 0o644); err != nil {
			r.t.Error(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		r.t.Errorf("%v; go test -run '%s' -update writes it", err, r.t.Name())
		return
	}
	got, wanted := strings.Split(r.text.String(), "\n\n"), strings.Split(string(want), "\n\n")
	for i := range max(len(got), len(wanted)) {
		if one, other := at(wanted, i), at(got, i); one != other {
			r.t.Errorf("%s, exchange %d.\nwant:\n%s\n\ngot:\n%s", file, i+1, one, other)
			return
		}
	}
}

func at(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return "nothing"
}
