package e2e

import (
	"testing"
	"time"
)

// everywhere wants the same outcome from every gateway, each asked once.
func everywhere(t *testing.T, code string, request object) {
	t.Helper()
	for i := range gateways {
		gateAt(t, i).want(code, request)
	}
}

// warm makes every gateway hold the key.
func warm(t *testing.T, key string) {
	t.Helper()
	for range 3 {
		everywhere(t, valid, object{"key": key})
	}
}

const changeRounds = 40

// TestAChangeBitesAtOnce: what one gateway acknowledged, the very next verification on every other
// obeys. The key is warm on all of them, nothing sleeps, and each round begins at another gateway.
func TestAChangeBitesAtOnce(t *testing.T) {
	needs := func(key, permission string) object {
		return object{"key": key, "authorization": object{"permissions": permission}}
	}
	for round := range changeRounds {
		g := gateAt(t, round)
		id, key := g.createKey(object{"permissions": []string{"e2e.first"}})
		warm(t, key)

		g.update(object{"keyId": id, "enabled": false})
		everywhere(t, "DISABLED", object{"key": key})
		g.update(object{"keyId": id, "enabled": true})
		everywhere(t, valid, needs(key, "e2e.first"))

		g.update(object{"keyId": id, "permissions": []object{{"name": "e2e.second", "create": true}}})
		everywhere(t, "INSUFFICIENT_PERMISSIONS", needs(key, "e2e.first"))
		everywhere(t, valid, needs(key, "e2e.second"))

		g.update(object{"keyId": id, "expires": time.Now().Add(-time.Hour).UnixMilli()})
		everywhere(t, "EXPIRED", object{"key": key})
		g.update(object{"keyId": id, "expires": nil})
		everywhere(t, valid, object{"key": key})

		g.update(object{"keyId": id, "remaining": 0})
		everywhere(t, usageExceeded, object{"key": key})
		g.must("POST", "keys.updateRemaining", object{"keyId": id, "op": "set", "value": nil})
		everywhere(t, valid, object{"key": key})

		g.update(object{"keyId": id, "ratelimit": object{"limit": gateways, "duration": quietWindow()}})
		everywhere(t, valid, object{"key": key})
		everywhere(t, rateLimited, object{"key": key})
		g.update(object{"keyId": id, "ratelimit": nil})
		everywhere(t, valid, object{"key": key})

		g.must("POST", "keys.deleteKey", object{"keyId": id})
		everywhere(t, "NOT_FOUND", object{"key": key})
	}
}

// TestAnAnswerShowsTheChangeAtOnce: name, meta and owner come from the record as it is now.
func TestAnAnswerShowsTheChangeAtOnce(t *testing.T) {
	g := gateAt(t, 0)
	id, key := g.createKey(object{"name": "first"})
	warm(t, key)
	for round := range changeRounds {
		name := "round " + string(rune('A'+round))
		gateAt(t, round).update(object{"keyId": id, "name": name, "meta": object{"round": round}, "externalId": name})
		for i := range gateways {
			body := gateAt(t, i).want(valid, object{"key": key})
			meta, _ := body["meta"].(object)
			if body["name"] != name || body["ownerId"] != name || meta["round"] != float64(round) {
				t.Fatalf("round %d, gateway %d: stale answer %v", round, i, body)
			}
			if read := gateAt(t, i).getKey(id); read["name"] != name || read["ownerId"] != name {
				t.Fatalf("round %d, gateway %d: stale read %v", round, i, read)
			}
		}
	}
}
