package unkeyv1_test

import (
	"testing"
)

// The endpoints that read and change one key.
func TestGoldenKeys(t *testing.T) {
	g := newGolden(t, "keys")
	g.get("alive", "/v1/liveness")
	g.get("which API?", "/v1/apis.getApi")
	api := g.post("an API", "/v1/apis.createApi", `{"name":"golden"}`).text("apiId")
	g.post("negative balance", "/v1/keys.createKey", `{"apiId":"`+api+`","remaining":-1}`)
	g.post("an interval nobody knows", "/v1/keys.createKey", `{"apiId":"`+api+`","remaining":1,"refill":{"interval":"hourly","amount":5}}`)
	id := g.post("a key", "/v1/keys.createKey", `{"apiId":"`+api+`","prefix":"golden","name":"n","ownerId":"ann","meta":{"a":1},"remaining":10,
"refill":{"interval":"monthly","amount":10,"refillDay":31},"ratelimit":{"type":"fast","limit":5,"duration":60000},"enabled":true,"environment":"test"}`).text("keyId")
	read := "/v1/keys.getKey?keyId=" + id
	g.get("which key?", "/v1/keys.getKey")
	update := func(title, members string) { g.post(title, "/v1/keys.updateKey", `{"keyId":"`+id+`"`+members+`}`) }
	update("nothing", ``)
	update("much", `,"name":"m","ownerId":"bob","meta":{"b":2},"remaining":20,"enabled":false,"ratelimit":{"type":"consistent","limit":7,"refillRate":7,"refillInterval":1000}`)
	update("a daily refill has no day", `,"refill":{"interval":"daily","amount":5,"refillDay":1}`)
	update("wrong type", `,"enabled":"yes"`)
	update("clear", `,"name":null,"ownerId":null,"meta":null,"refill":null,"ratelimit":null,"remaining":null`)
	g.get("cleared", read)
	balance := func(title, members string) {
		g.post(title, "/v1/keys.updateRemaining", `{"keyId":"`+id+`",`+members+`}`)
	}
	balance("set", `"op":"set","value":10`)
	balance("increment", `"op":"increment","value":5`)
	balance("decrement stops at nothing", `"op":"decrement","value":500`)
	balance("unlimited", `"op":"set","value":null`)
	balance("what?", `"op":"double","value":1`)
	g.post("which key?", "/v1/keys.deleteKey", `{}`)
	g.as("api.*.read_key").post("missing right", "/v1/keys.deleteKey", `{"keyId":"`+id+`"}`)
	g.post("delete", "/v1/keys.deleteKey", `{"keyId":"`+id+`"}`)
	g.get("it is gone", read)
}
