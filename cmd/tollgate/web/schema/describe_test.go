package schema

import (
	"encoding/json"
	"testing"
	"time"
)

func wantJSON(t *testing.T, d Description, want string) {
	t.Helper()
	got, err := json.Marshal(d)
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

func TestDescribeARequest(t *testing.T) {
	type request struct {
		ID      string         `json:"id" check:"required,minLen=3" pattern:"^[a-z,]+$" doc:"The id."`
		Plan    *string        `json:"plan" check:"enum=a|b,nullable"`
		Cost    int64          `json:"cost" check:"min=0,default=1"`
		Credits Maybe[credits] `json:"credits"`
		Meta    Object         `json:"meta" check:"maxProps=2"`
		Roles   []string       `json:"roles" check:"maxItems=2" items:"minLen=1"`
		Query   *query         `json:"query"`
	}
	wantJSON(t, MustCompile[request](Closed()).Describe(), `{"additionalProperties":false,"properties":{`+
		`"cost":{"default":1,"minimum":0,"type":"integer"},`+
		`"credits":{"additionalProperties":false,"properties":{"remaining":{"minimum":0,"type":["integer","null"]}},"required":["remaining"],"type":["object","null"]},`+
		`"id":{"description":"The id.","minLength":3,"pattern":"^[a-z,]+$","type":"string"},`+
		`"meta":{"maxProperties":2,"type":"object"},`+
		`"plan":{"anyOf":[{"enum":["a","b"],"type":"string"},{"type":"null"}]},`+
		`"query":{"type":["string","object"]},`+
		`"roles":{"items":{"minLength":1,"type":"string"},"maxItems":2,"type":"array"}},`+
		`"required":["id"],"type":"object"}`)
	wantJSON(t, MustCompile[[]limit](Check("minItems=1")).Describe(), `{"items":{"properties":{`+
		`"cost":{"default":1,"minimum":0,"type":"integer"},"name":{"type":"string"}},"required":["name"],"type":"object"},`+
		`"minItems":1,"type":"array"}`)
}

func TestDescribeAnAnswer(t *testing.T) {
	type tree struct {
		Kids []tree `json:"kids"`
	}
	type answer struct {
		ID      string            `json:"id"`
		Name    *string           `json:"name,omitempty"`
		Left    Maybe[int64]      `json:"left,omitzero"`
		Until   *time.Time        `json:"until"`
		Share   float64           `json:"share"`
		Small   int32             `json:"small"`
		Tags    map[string]string `json:"tags"`
		Any     any               `json:"any"`
		Raw     json.RawMessage   `json:"raw"`
		Tree    tree              `json:"tree"`
		Skipped string            `json:"-"`
	}
	wantJSON(t, Describe[answer](), `{"properties":{"any":{},"id":{"type":"string"},"left":{"type":["integer","null"]},`+
		`"name":{"type":"string"},"raw":{},"share":{"type":"number"},"small":{"type":"integer"},`+
		`"tags":{"additionalProperties":{"type":"string"},"type":"object"},`+
		`"tree":{"properties":{"kids":{"items":{},"type":"array"}},"required":["kids"],"type":"object"},`+
		`"until":{"format":"date-time","type":["string","null"]}},`+
		`"required":["id","until","share","small","tags","any","raw","tree"],"type":"object"}`)
	wantJSON(t, Describe[*credits](), `{"properties":{"remaining":{"minimum":0,"type":["integer","null"]}},"required":["remaining"],"type":"object"}`)
}
