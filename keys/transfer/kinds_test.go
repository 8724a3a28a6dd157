package transfer

import (
	"encoding/json"
	"testing"
)

// Each kind of record is recognised by the member of the JSON that it is named after, and by
// no other; one that is checked and stored nowhere is a mark.
func TestRecordKinds(t *testing.T) {
	values := map[string]string{"tollgate": "2", "scan": "true", "end": "true"}
	all := ExportRecord{}
	for i, kind := range recordKinds {
		value, mark := values[kind.name]
		if !mark {
			value = `"x"`
		}
		var l ExportRecord
		if err := json.Unmarshal([]byte(`{"`+kind.name+`":`+value+`}`), &l); err != nil {
			t.Fatal(err)
		}
		if at, err := kindOf(&l); err != nil || at != i {
			t.Errorf("%s is taken for %s: %v", kind.name, recordKinds[at].name, err)
		}
		if err := json.Unmarshal([]byte(`{"`+kind.name+`":`+value+`}`), &all); err != nil {
			t.Fatal(err)
		}
		if kind.check == nil || (kind.store == nil) != mark {
			t.Errorf("%s is not checked, or not stored", kind.name)
		}
	}
	const want = "says 10 things that it is: one of tollgate, noun, key, redeemed, usage, audit, counter, buried, scan and end"
	if _, err := kindOf(&all); err == nil || err.Error() != want {
		t.Errorf("a record of all kinds: %v", err)
	}
}
