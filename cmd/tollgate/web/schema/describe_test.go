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
		`"cost":{"default":1,"maximum":9007199254740991,"minimum":0,"type":"integer"},`+
		`"credits":{"additionalProperties":false,"properties":{"remaining":{"maximum":9007199254740991,"minimum":0,"type":["integer","null"]}},"required":["remaining"],"type":["object","null"]},`+
		`"id":{"description":"The id.","minLength":3,"pattern":"^[a-z,]+$","type":"string"},`+
		`"meta":{"maxProperties":2,"type":"object"},`+
		`"plan":{"anyOf":[{"enum":["a","b"],"type":"string"},{"type":"null"}]},`+
		`"query":{"type":["string","object"]},`+
		`"roles":{"items":{"minLength":1,"type":"string"},"maxItems":2,"type":"array"}},`+
		`"required":["id"],"type":"object"}`)
	wantJSON(t, MustCompile[[]limit](Check("minItems=1")).Describe(), `{"items":{"properties":{`+
		`"cost":{"default":1,"maximum":9007199254740991,"minimum":0,"type":"integer"},"name":{"type":"string"}},"required":["name"],"type":"object"},`+
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

// What is checked elsewhere is described with the names of its constants, narrower than a
// check of the same, and of requests alone.
func TestDescribeBounds(t *testing.T) {
	type request struct {
		Name string          `json:"name" check:"minLen=1" bound:"maxBytes=MaxName" doc:"The name."`
		Cost *int64          `json:"cost" check:"min=0" bound:"min=1,max=MaxCost"`
		Any  int             `json:"any"`
		Meta Object          `json:"meta" bound:"maxChars=3"`
		Tags Maybe[[]string] `json:"tags" bound:"maxItems=2" itemsBound:"maxLen=MaxName" itemsBoundPattern:"Slug"`
		Kind string          `json:"kind" bound:"enum=a|b"`
	}
	options := []Option{Constants(map[string]int64{"MaxName": 7, "MaxCost": 9}), Patterns(map[string]string{"Slug": "^[^ ]+$"})}
	want := `{"properties":{"any":{"maximum":9007199254740991,"minimum":-9007199254740991,"type":"integer"},` +
		`"cost":{"maximum":9,"minimum":1,"type":"integer"},"kind":{"enum":["a","b"],"type":"string"},` +
		`"meta":{"description":"At most 3 characters of JSON.","type":"object"},` +
		`"name":{"description":"The name. At most 7 bytes of UTF-8.","maxLength":7,"minLength":1,"type":"string"},` +
		`"tags":{"items":{"maxLength":7,"pattern":"^[^ ]+$","type":"string"},"maxItems":2,"type":["array","null"]}},"type":"object"}`
	wantJSON(t, MustCompile[request](options...).Describe(), want)
	var in request
	if err := MustCompile[request](options...).Decode([]byte(`{"name":"longer than 7","cost":0,"kind":"c","tags":[" "]}`), &in); err != nil {
		t.Errorf("a bound that is only described was checked: %v", err)
	}
	wantJSON(t, Describe[struct {
		Name string `json:"name" bound:"maxLen=MaxName"`
	}](), `{"properties":{"name":{"type":"string"}},"required":["name"],"type":"object"}`)
}

// A bound tag that does not fit its field, or names what is not known, is a mistake.
func TestBoundsThatCannotBe(t *testing.T) {
	for name, compile := range map[string]func() error{
		"a constant": func() error {
			_, err := Compile[struct {
				A string `bound:"maxLen=Max"`
			}]()
			return err
		},
		"a type": func() error {
			_, err := Compile[struct {
				A bool `bound:"max=1"`
			}]()
			return err
		},
		"bytes": func() error {
			_, err := Compile[struct {
				A int `bound:"maxBytes=1"`
			}]()
			return err
		},
		"no array": func() error {
			_, err := Compile[struct {
				A string `itemsBound:"maxLen=1"`
			}]()
			return err
		},
		"a pattern": func() error {
			_, err := Compile[struct {
				A string `boundPattern:"None"`
			}]()
			return err
		},
		"an enum": func() error {
			_, err := Compile[struct {
				A int `bound:"enum=1"`
			}]()
			return err
		},
	} {
		if compile() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
