package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// Values to put where a field stands, as JSON text.
var (
	long4K    = `"` + strings.Repeat("x", 4<<10) + `"`
	long1M    = `"` + strings.Repeat("x", 1<<20) + `"`
	deep      = strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	deepMap   = strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	wide      = wideObject(1_000_000)
	notText   = []string{"null", "7", "true", "[]", "{}", `["x"]`, `{"toString":"x"}`, "x", `'x'`, `"x`, "\"a\nb\"", "\"\x00\"", deep}
	oddText   = []string{`""`, long4K, `"\n"`, `"{}"`, `":"`, `"*"`, `"{tag}"`, `"}{"`, `"🙂"`, `"\u202eabc"`, `"\u0000"`, `"a\u0000b"`, `"\ud800"`, "\"\xff\xfe\"", `" "`, `"../../x"`, `"a:{b}:c"`, `"tollgate:key"`, `"%00"`, `"\r\nSET x y"`, `"-1"`, long1M}
	notBool   = []string{"null", `"true"`, "0", "1", "[]", "{}", "tru", "TRUE", deep}
	notList   = []string{"null", "7", `"x"`, "{}", "true", "[", "[,]", deepMap}
	notObject = []string{"null", "7", `"x"`, "[]", "true", "{", "{]", deep}
	// No whole number within 2^53-1, whatever the field allows.
	notWhole = []string{`"1"`, "true", "[]", "{}", `""`, "1.5", "1e-1", "NaN", "Infinity", "-Infinity", "1e400", "0x10", "01", "+1", ".5", "1.", "--1", "1_000",
		"9223372036854775807", "9223372036854775808", "18446744073709551616", "-9223372036854775809", "1e30", strings.Repeat("9", 5000), deep}
	tooLarge  = []string{"9007199254740992", "9007199254740993"}
	edgeWhole = []string{"-0", "1.0", "1e2", "9007199254740991"}
)

func wideObject(n int) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		fmt.Fprintf(&b, `"k%d":0,`, i)
	}
	return b.String() + `"k":0}`
}

func join(lists ...[]string) (all []string) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// A probe is one field of one endpoint. @ in its body stands for the value; $API, $ID and $KEY for
// an API, a key's id and the key itself, which exist.
type probe struct {
	endpoint string
	body     string
	refused  []string // each must be a 4xx
	either   []string // each may be accepted, and then reads back as it was sent
}

var probes = []probe{
	{"apis.createApi", `{"name":@}`, join(notText, []string{`""`, `"ab"`}), oddText},

	{"keys.createKey", `{"apiId":@}`, join(notText, oddText), nil},
	{"keys.createKey", `{"apiId":"$API","prefix":@}`, join(notText, []string{long4K, long1M, `"` + strings.Repeat("p", 17) + `"`}), oddText},
	{"keys.createKey", `{"apiId":"$API","name":@}`, notText, oddText},
	{"keys.createKey", `{"apiId":"$API","byteLength":@}`, join(notWhole, tooLarge, []string{"null", "0", "-1", "15", "256", "-0", "9007199254740991"}), []string{"1.6e1", "16.0"}},
	{"keys.createKey", `{"apiId":"$API","ownerId":@}`, notText, oddText},
	{"keys.createKey", `{"apiId":"$API","externalId":@}`, notText, oddText},
	{"keys.createKey", `{"apiId":"$API","meta":@}`, notObject, []string{"{}", deepMap, wide, `{"":1}`, `{"a":1,"a":2}`, `{"a":` + long1M + `}`, `{"__proto__":{"x":1}}`, `{"n":12345678901234567890,"f":1e400}`}},
	{"keys.createKey", `{"apiId":"$API","roles":@}`, join(notList, []string{`[""]`, "[7]", "[null]", "[[]]", "[{}]", "[" + long4K + "]"}), []string{"[]", `["a","a"]`, `["*"]`, `["🙂"]`}},
	{"keys.createKey", `{"apiId":"$API","permissions":@}`, join(notList, []string{`[""]`, "[7]", "[null]", "[[]]", "[{}]", "[" + long4K + "]"}), []string{"[]", `["a","a"]`, `["*"]`, `["🙂"]`}},
	{"keys.createKey", `{"apiId":"$API","expires":@}`, join(notWhole, tooLarge, []string{"0", "-0", "-1", "253402300800000"}), []string{"null", "1", "1e3", "253402300799999"}},
	{"keys.createKey", `{"apiId":"$API","remaining":@}`, join(notWhole, tooLarge, []string{"null", "0", "-0", "-1"}), edgeWhole[1:]},
	{"keys.createKey", `{"apiId":"$API","remaining":5,"refill":@}`, join(notObject, []string{"{}", `{"interval":"daily"}`, `{"amount":5}`}), nil},
	{"keys.createKey", `{"apiId":"$API","remaining":5,"refill":{"amount":5,"interval":@}}`, join(notText, oddText, []string{`"hourly"`, `"DAILY"`}), nil},
	{"keys.createKey", `{"apiId":"$API","remaining":5,"refill":{"interval":"daily","amount":@}}`, join(notWhole, tooLarge, []string{"null", "0", "-0", "-1"}), edgeWhole[1:]},
	{"keys.createKey", `{"apiId":"$API","remaining":5,"refill":{"interval":"monthly","amount":5,"refillDay":@}}`, join(notWhole, tooLarge, []string{"null", "0", "-0", "-1", "32"}), []string{"1.0", "3e1"}},
	{"keys.createKey", `{"apiId":"$API","ratelimit":@}`, join(notObject, []string{"{}", `{"duration":1000}`}), nil},
	{"keys.createKey", `{"apiId":"$API","ratelimit":{"duration":60000,"limit":@}}`, join(notWhole, tooLarge, []string{"null", "0", "-0", "-1"}), edgeWhole[1:]},
	{"keys.createKey", `{"apiId":"$API","ratelimit":{"limit":5,"duration":@}}`, join(notWhole, tooLarge, []string{"null", "0", "-0", "-1", "999"}), []string{"1e3", "9007199254740991"}},
	{"keys.createKey", `{"apiId":"$API","ratelimit":{"limit":5,"duration":60000,"type":@}}`, join(notText, oddText), nil},
	{"keys.createKey", `{"apiId":"$API","ratelimit":{"limit":5,"duration":60000,"async":@}}`, notBool, nil},
	{"keys.createKey", `{"apiId":"$API","ratelimit":{"limit":5,"refillRate":5,"refillInterval":@}}`, join(notWhole, tooLarge, []string{"null", "0", "-1"}), []string{"1", "999"}},
	{"keys.createKey", `{"apiId":"$API","enabled":@}`, notBool, nil},
	{"keys.createKey", `{"apiId":"$API","recoverable":@}`, join(notBool, []string{"true"}), nil},
	{"keys.createKey", `{"apiId":"$API","environment":@}`, join(notText, []string{long4K, long1M}), oddText},

	{"keys.verifyKey", `{"key":@}`, join(notText, []string{`""`}), oddText},
	{"keys.verifyKey", `{"key":"$KEY","apiId":@}`, notText, oddText},
	{"keys.verifyKey", `{"key":"$KEY","tags":@}`, join(notList, []string{`[""]`, "[7]", "[null]", `["` + strings.Repeat("t", 129) + `"]`, `["1","2","3","4","5","6","7","8","9","10","11"]`}), []string{"[]", `["a","a"]`, `["🙂"]`}},
	{"keys.verifyKey", `{"key":"$KEY","authorization":@}`, notObject, []string{"{}"}},
	{"keys.verifyKey", `{"key":"$KEY","authorization":{"permissions":@}}`, []string{"7", "true", "[]", "{}", `{"and":[]}`, `{"or":[]}`, `{"and":"a"}`, `{"or":[7]}`, `{"and":[{}]}`, `{"not":["a"]}`, deep, deepMap,
		strings.Repeat(`{"and":[`, 10_000) + `"a"` + strings.Repeat("]}", 10_000)}, join(oddText, []string{"null", `{"and":["a"],"or":["b"]}`})},
	{"keys.verifyKey", `{"key":"$KEY","remaining":@}`, notObject, []string{"{}"}},
	{"keys.verifyKey", `{"key":"$KEY","remaining":{"cost":@}}`, join(notWhole, tooLarge, []string{"null", "-1"}), join(edgeWhole, []string{"0"})},
	{"keys.verifyKey", `{"key":"$KEY","ratelimit":@}`, notObject, []string{"{}"}},
	{"keys.verifyKey", `{"key":"$KEY","ratelimit":{"cost":@}}`, join(notWhole, []string{"null", "-1"}), join(edgeWhole, tooLarge)},
	{"keys.verifyKey", `{"key":"$KEY","ratelimits":@}`, join(notList, []string{"[7]", "[null]", "[{}]", "[[]]", `[{"name":"unknown"}]`}), []string{"[]"}},
	{"keys.verifyKey", `{"key":"$KEY","ratelimits":[{"limit":5,"duration":60000,"name":@}]}`, join(notText, []string{`""`}), oddText},
	{"keys.verifyKey", `{"key":"$KEY","ratelimits":[{"name":"n","limit":5,"duration":60000,"cost":@}]}`, join(notWhole, tooLarge, []string{"null", "-1"}), edgeWhole},
	{"keys.verifyKey", `{"key":"$KEY","ratelimits":[{"name":"n","duration":60000,"limit":@}]}`, join(notWhole, tooLarge, []string{"null", "0", "-0", "-1"}), edgeWhole[1:]},
	{"keys.verifyKey", `{"key":"$KEY","ratelimits":[{"name":"n","limit":5,"duration":@}]}`, join(notWhole, tooLarge, []string{"null", "0", "-0", "-1", "999"}), []string{"1e3", "9007199254740991"}},

	{"keys.updateKey", `{"keyId":@}`, join(notText, oddText), nil},
	{"keys.updateKey", `{"keyId":"$ID","name":@}`, notText[1:], join(oddText, []string{"null"})},
	{"keys.updateKey", `{"keyId":"$ID","ownerId":@}`, notText[1:], join(oddText, []string{"null"})},
	{"keys.updateKey", `{"keyId":"$ID","externalId":@}`, notText[1:], join(oddText, []string{"null"})},
	{"keys.updateKey", `{"keyId":"$ID","meta":@}`, notObject[1:], []string{"null", "{}", deepMap, `{"a":1,"a":2}`}},
	{"keys.updateKey", `{"keyId":"$ID","expires":@}`, join(notWhole, tooLarge, []string{"0", "-0", "-1", "253402300800000"}), []string{"null"}},
	{"keys.updateKey", `{"keyId":"$ID","ratelimit":@}`, join(notObject[1:], []string{"{}"}), []string{"null"}},
	{"keys.updateKey", `{"keyId":"$ID","ratelimit":{"duration":60000,"limit":@}}`, join(notWhole, tooLarge, []string{"null", "0", "-1"}), edgeWhole[1:]},
	{"keys.updateKey", `{"keyId":"$ID","ratelimit":{"limit":5,"duration":@}}`, join(notWhole, tooLarge, []string{"null", "0", "-1"}), []string{"1", "999", "1e3"}},
	{"keys.updateKey", `{"keyId":"$ID","ratelimit":{"limit":5,"duration":60000,"type":@}}`, join(notText, oddText), nil},
	{"keys.updateKey", `{"keyId":"$ID","ratelimit":{"limit":5,"duration":60000,"async":@}}`, notBool, nil},
	{"keys.updateKey", `{"keyId":"$ID","remaining":1000,"refill":@}`, join(notObject[1:], []string{"{}"}), []string{"null"}},
	{"keys.updateKey", `{"keyId":"$ID","remaining":1000,"refill":{"interval":"daily","amount":@}}`, join(notWhole, tooLarge, []string{"null", "0", "-1"}), nil},
	{"keys.updateKey", `{"keyId":"$ID","remaining":1000,"refill":{"amount":5,"interval":@}}`, join(notText, oddText), nil},
	{"keys.updateKey", `{"keyId":"$ID","remaining":1000,"refill":{"interval":"monthly","amount":5,"refillDay":@}}`, join(notWhole, []string{"null", "0", "32", "-1"}), nil},
	{"keys.updateKey", `{"keyId":"$ID","remaining":@}`, join(notWhole, tooLarge), edgeWhole},
	{"keys.updateKey", `{"keyId":"$ID","enabled":@}`, notBool, nil},
	{"keys.updateKey", `{"keyId":"$ID","roles":@}`, join(notList, []string{"[7]", "[null]", `["x"]`, `[{"id":"ab"}]`, `[{"name":""}]`, `[{"id":"role_unknown"}]`, `[{"name":"x","create":"yes"}]`}), []string{"[]", "[{}]"}},
	{"keys.updateKey", `{"keyId":"$ID","permissions":@}`, join(notList, []string{"[7]", "[null]", `["x"]`, `[{"id":"ab"}]`, `[{"name":""}]`, `[{"id":"perm_unknown"}]`, `[{"name":"x","create":"yes"}]`}), []string{"[]", "[{}]"}},

	{"keys.updateRemaining", `{"op":"set","value":5,"keyId":@}`, join(notText, oddText), nil},
	{"keys.updateRemaining", `{"keyId":"$ID","value":5,"op":@}`, join(notText, oddText, []string{`"SET"`, `"add"`}), nil},
	{"keys.updateRemaining", `{"keyId":"$ID","op":"set","value":@}`, join(notWhole, tooLarge, []string{"-1"}), edgeWhole},
	{"keys.updateRemaining", `{"keyId":"$ID","op":"increment","value":@}`, join(notWhole, tooLarge, []string{"null"}), []string{"0", "-1", "9007199254740991"}},
	{"keys.updateRemaining", `{"keyId":"$ID","op":"decrement","value":@}`, join(notWhole, tooLarge, []string{"null"}), []string{"0", "-1", "9007199254740991"}},
	{"keys.updateRemaining", `{"keyId":"$ID","op":"set"@}`, []string{"", `,"value":`}, nil},

	{"keys.deleteKey", `{"keyId":@}`, join(notText, oddText), nil},
	{"keys.deleteKey", `{"keyId":"$ID","permanent":@}`, notBool, nil},
}

// A target is where probes are aimed: a key whose record and balance must stay as they are for as
// long as everything is refused.
type target struct {
	*wire
	api, id, key string
	record       object
	names        map[string]bool
}

func newTarget(t *testing.T) *target {
	g := gateAt(t, 0)
	x := &target{wire: newWire(t), api: g.createAPI()}
	x.id, x.key = g.createKey(object{"apiId": x.api, "remaining": 1000, "permissions": []string{"a"},
		"ratelimit": object{"limit": 1000, "duration": quietWindow()}})
	x.look()
	return x
}

// look takes down how things are.
func (x *target) look() {
	x.t.Helper()
	x.record, x.names = x.read(), storedNames(x.t)
}

// read gets the target's record over the connection that the last probe went over.
func (x *target) read() object {
	x.t.Helper()
	a := x.send(wireRequest("GET", "/v1/keys.getKey?keyId="+x.id, ""))
	if a.err != nil || a.status != 200 {
		x.t.Fatalf("a good request on the same connection: %s", a)
	}
	var record object
	if err := json.Unmarshal(a.raw, &record); err != nil {
		x.t.Fatal(err)
	}
	return record
}

// short is a value as it can be read in a message.
func short(text string) string {
	if len(text) > 60 {
		return fmt.Sprintf("%.40q… (%d bytes)", text, len(text))
	}
	return fmt.Sprintf("%q", text)
}

// wantRefused sends a request that must be a 4xx in the dialect's shape and must leave everything
// as it was: the names in Redis, the record and the balance of the target, the connection.
func (x *target) wantRefused(what, request string) {
	x.t.Helper()
	a := x.send(request)
	if x.lost(a, request) {
		x.t.Errorf("%s: %v", what, a.err)
	} else if fault := envelopeFault(a.status, a.header, a.raw); a.err == nil && fault != "" {
		x.t.Errorf("%s: %s: %d %.200s", what, fault, a.status, a.raw)
	}
	if now := storedNames(x.t); len(added(x.names, now)) > 0 {
		x.t.Errorf("%s: a refused request stored %q", what, added(x.names, now))
		x.names = now
	}
	if now := x.read(); !reflect.DeepEqual(now, x.record) {
		x.t.Errorf("%s: a refused request changed the key from %v to %v", what, x.record, now)
		x.record = now
	}
}

// wantSane sends a request that may be accepted or refused, but nothing else.
func (x *target) wantSane(what, request string) answer {
	x.t.Helper()
	a := x.send(request)
	fault := envelopeFault(a.status, a.header, a.raw)
	switch {
	case x.lost(a, request):
		x.t.Errorf("%s: %v", what, a.err)
	case a.err == nil && a.status != 200 && fault != "":
		x.t.Errorf("%s: neither accepted nor refused: %s: %d %.200s", what, fault, a.status, a.raw)
	}
	x.look()
	return a
}

// lost tells a missing answer. One to a body of a megabyte may be lost on its way, because a
// gateway that refuses it need not read it all.
func (x *target) lost(a answer, request string) bool {
	return a.err != nil && len(request) < 1<<20
}

// fill replaces the names in a probe's body by what exists.
func (x *target) fill(body, value string) string {
	body = strings.NewReplacer("$API", x.api, "$ID", x.id, "$KEY", x.key).Replace(body)
	return strings.Replace(body, "@", value, 1)
}

// TestBadInputIsRefusedAndLeavesNothing tries every value in every field of every endpoint.
func TestBadInputIsRefusedAndLeavesNothing(t *testing.T) {
	for _, probe := range probes {
		t.Run(probe.endpoint+" "+probe.body, func(t *testing.T) {
			x := newTarget(t)
			for _, value := range probe.refused {
				x.wantRefused(short(value), wireRequest("POST", "/v1/"+probe.endpoint, x.fill(probe.body, value)))
			}
			for _, value := range probe.either {
				body := x.fill(probe.body, value)
				a := x.wantSane(short(value), wireRequest("POST", "/v1/"+probe.endpoint, body))
				x.wantKept(probe.endpoint, body, a)
			}
		})
	}
}

// wantKept checks that what was accepted reads back as it was sent.
func (x *target) wantKept(endpoint, body string, a answer) {
	x.t.Helper()
	id := x.id
	var made struct{ KeyID, APIID string }
	json.Unmarshal(a.raw, &made)
	var sent object
	if a.status != 200 || !utf8.ValidString(body) || json.Unmarshal([]byte(body), &sent) != nil {
		return
	}
	switch endpoint {
	case "apis.createApi":
		if got := gateAt(x.t, 1).must("GET", "apis.getApi?apiId="+made.APIID, nil)["name"]; got != sent["name"] && !strings.Contains(body, `\ud800`) {
			x.t.Errorf("sent the name %s, read back %s", short(fmt.Sprint(sent["name"])), short(fmt.Sprint(got)))
		}
		return
	case "keys.createKey":
		id = made.KeyID
	case "keys.updateKey":
	default:
		return
	}
	got := gateAt(x.t, 1).getKey(id)
	for _, name := range []string{"name", "meta", "expires", "remaining"} {
		value, named := sent[name]
		if value == "" { // an empty name is no name
			value = nil
		}
		if named && value != nil && !reflect.DeepEqual(value, got[name]) && !strings.Contains(body, `\ud800`) {
			x.t.Errorf("sent %s %s, read back %s", name, short(fmt.Sprint(value)), short(fmt.Sprint(got[name])))
		}
	}
}

// goodBodies is a body for each endpoint that would be accepted.
var goodBodies = map[string]string{
	"apis.createApi":       `{"name":"good"}`,
	"keys.createKey":       `{"apiId":"$API"}`,
	"keys.verifyKey":       `{"key":"$KEY"}`,
	"keys.updateKey":       `{"keyId":"$ID","name":"changed"}`,
	"keys.updateRemaining": `{"keyId":"$ID","op":"set","value":5}`,
	"keys.deleteKey":       `{"keyId":"$ID"}`,
}

// TestABodyThatIsNoObjectIsRefused for every endpoint that takes one.
func TestABodyThatIsNoObjectIsRefused(t *testing.T) {
	for endpoint, template := range goodBodies {
		t.Run(endpoint, func(t *testing.T) {
			x := newTarget(t)
			good := x.fill(template, "")
			for _, body := range []string{
				"", " ", "null", "7", `"x"`, "[]", "[" + good + "]", "{", "{}", "}", good[:len(good)-1], good + " x", good + good, good + ",", good + "\x00",
				"\x00" + good, "//\n" + good, strings.ReplaceAll(good, `"`, `'`), "\xff\xfe" + good, "{,}", deep, deepMap, long1M, strings.TrimSuffix(good, "}") + ",}",
			} {
				x.wantRefused(short(body), wireRequest("POST", "/v1/"+endpoint, body))
			}
			x.wantRefused("form", wireRequest("POST", "/v1/"+endpoint, "keyId=x&key=y&name=z"))
			x.wantRefused("gzip", wireRequest("POST", "/v1/"+endpoint, gzipped(good), "Content-Encoding: gzip"))
			if endpoint == "keys.deleteKey" {
				return // what follows may be accepted, and then there is no target any more
			}
			for _, body := range []string{
				"\ufeff" + good, good + " \r\n\t", strings.TrimSuffix(good, "}") + `,"unknown":` + long1M + "}", strings.TrimSuffix(good, "}") + `,"unknown":` + deep + "}",
				strings.TrimSuffix(good, "}") + `,"unknown":` + wide + "}", strings.TrimSuffix(good, "}") + ",\"\xff\":1}", strings.TrimSuffix(good, "}") + "," + good[1:],
			} {
				x.wantSane(short(body), wireRequest("POST", "/v1/"+endpoint, body))
			}
		})
	}
}

// TestABadQueryIsRefused for the endpoints that read theirs from the address.
func TestABadQueryIsRefused(t *testing.T) {
	x := newTarget(t)
	for _, endpoint := range []string{"apis.getApi?apiId", "keys.getKey?keyId"} {
		path := "/v1/" + endpoint
		for _, target := range []string{strings.Split(path, "?")[0], path, path + "=", path + "=%00", path + "=%zz", path + "=%", path + "=x&", "/v1/" + strings.ToUpper(endpoint) + "=x"} {
			x.wantRefused(target, wireRequest("GET", target, ""))
		}
		for _, value := range oddText[:len(oddText)-1] {
			var text string
			if json.Unmarshal([]byte(value), &text) != nil {
				text = value
			}
			x.wantRefused(short(value), wireRequest("GET", path+"="+url.QueryEscape(text), ""))
		}
	}
	for _, query := range []string{"&decrypt=maybe", "&decrypt=", "&decrypt", "&decrypt=true&decrypt=false", "&keyId=key_other", "&unknown=1"} {
		x.wantSane(query, wireRequest("GET", "/v1/keys.getKey?keyId="+x.id+query, ""))
	}
}
