package audit

import (
	"encoding/json"
	"strconv"
	"strings"

	"tollgate/keys"
)

// The bounds of an entry.
const (
	MaxSize      = 8 << 10 // bytes, as it is stored
	MaxResources = 100
	maxText      = 300 // bytes of a name, and of the message of a refusal
)

// State is how far a change has come.
type State string

// The states of entries.
const (
	Pending State = "pending" // it may have happened
	Done    State = "done"
	Refused State = "refused"
	Unknown State = "unknown" // some of it may have happened
)

// Entry is a change that somebody asked for. It holds no secret.
type Entry struct {
	ID        string           `json:"id,omitempty"`   // sorts by Time
	Time      int64            `json:"time,omitempty"` // unix ms of the store's clock
	State     State            `json:"state"`
	Action    Name             `json:"action"`
	Actor     Actor            `json:"actor"`
	RequestID string           `json:"requestId,omitempty"`
	Address   string           `json:"address,omitempty"` // of the client
	Resources []Resource       `json:"resources,omitempty"`
	Counts    map[string]int64 `json:"counts,omitempty"` // of a change of many things
	Refusal   *Refusal         `json:"refusal,omitempty"`
	Cut       bool             `json:"cut,omitempty"` // not all that changed is in it
}

// ActorType is what kind of actor asked.
type ActorType string

// The types of actors.
const (
	RootKey     ActorType = "root_key"
	Operator    ActorType = "operator"    // somebody on the command line, or a program that embeds the store
	Environment ActorType = "environment" // the settings that a gateway was started with
)

// Actor is who asked.
type Actor struct {
	Type    ActorType `json:"type"`
	ID      string    `json:"id,omitempty"`      // of the root key
	Name    string    `json:"name,omitempty"`    // of the root key
	Command string    `json:"command,omitempty"` // of an operator, without its arguments
	User    string    `json:"user,omitempty"`    // of an operator, by the operating system
}

// Resource is a thing that was changed, or that was to be.
type Resource struct {
	Type   string          `json:"type"`
	ID     string          `json:"id,omitempty"`
	Name   string          `json:"name,omitempty"`
	Before json.RawMessage `json:"before,omitempty"` // the fields that differ; none of what is new
	After  json.RawMessage `json:"after,omitempty"`  // the same; none of what is gone
}

// redacted is a resource as its caller called it, as an error repeats that.
func (r Resource) redacted() Resource {
	r.ID, r.Name = short(keys.Redact(r.ID)), short(keys.Redact(r.Name))
	return r
}

// Refusal is why a change was refused.
type Refusal struct {
	Code    string `json:"code"` // the kind of the error
	Message string `json:"message"`
}

func refusalOf(err error) *Refusal {
	e := keys.AsError(err)
	if e.Kind == keys.KindInternal {
		return &Refusal{e.Kind.String(), "internal error"}
	}
	text := e.Message
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	return &Refusal{e.Kind.String(), short(text)}
}

// short is a text of at most maxText bytes, in valid UTF-8.
func short(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxText)], "")
}

// encode returns the entry as it is stored behind its id: at most MaxSize bytes.
func (e Entry) encode() string {
	e.ID, e.Time = "", 0
	text := marshal(e)
	if len(text) <= MaxSize {
		return text
	}
	e.Cut = true
	e.Resources = append([]Resource(nil), e.Resources...)
	for i := len(e.Resources); i > 0 && len(text) > MaxSize; text = marshal(e) {
		for excess := len(text) - MaxSize; i > 0 && excess > 0; { // it is not written anew for each
			i--
			r := &e.Resources[i]
			excess -= len(r.Before) + len(r.After)
			r.Before, r.After = nil, nil
		}
	}
	for len(text) > MaxSize {
		e.Resources = e.Resources[:len(e.Resources)/2]
		text = marshal(e)
	}
	return text
}

// marshal returns the JSON of what this package makes, which always has one.
func marshal(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("audit: " + err.Error())
	}
	return string(raw)
}

// An entry is stored as its id, a line break and its JSON without id and time. The id is
// idPrefix, idDigits digits of the microseconds of the store's clock since 1970, and letters.
const (
	idPrefix  = "aud_"
	idDigits  = 16
	separator = "\n"
	behind    = "\v" // an id with it sorts right behind what is stored of the id
)

// decode reads what is stored of an entry.
func decode(stored string) (Entry, error) {
	id, text, _ := strings.Cut(stored, separator)
	at, err := timeOf(id)
	if err != nil {
		return Entry{}, err
	}
	var e Entry
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return Entry{}, keys.ErrCorrupt
	}
	e.ID, e.Time = id, at
	return e, nil
}

// timeOf returns when an entry with an id was made, in unix ms.
func timeOf(id string) (int64, error) {
	digits, ok := strings.CutPrefix(id, idPrefix)
	if !ok || len(digits) < idDigits {
		return 0, keys.ErrCorrupt
	}
	micros, err := strconv.ParseInt(digits[:idDigits], 10, 64)
	if err != nil {
		return 0, keys.ErrCorrupt
	}
	return micros / 1000, nil
}
