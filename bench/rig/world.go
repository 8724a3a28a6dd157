package rig

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
)

// World is a gateway and its floor.
type World struct {
	Gateway, Floor *Side
	APIID          string
	built          *Built
}

// NewWorld builds and starts both, with an API for the keys to be.
func NewWorld() (*World, error) {
	built, err := Build()
	if err != nil {
		return nil, err
	}
	w := &World{built: built}
	if err := w.start(); err != nil {
		return nil, errors.Join(err, w.End())
	}
	return w, nil
}

func (w *World) start() (err error) {
	if w.Gateway, err = Start(w.built.Gateway); err != nil {
		return err
	}
	if w.Floor, err = Start(w.built.Floor); err != nil {
		return err
	}
	api, err := w.Gateway.Must("/v1/apis.createApi", Object{"name": "bench"})
	if err == nil {
		w.APIID, _ = api["apiId"].(string)
	}
	return err
}

// Another starts one more gateway, on a Redis of its own.
func (w *World) Another(args ...string) (*Side, error) { return Start(w.built.Gateway, args...) }

// End stops both. The programs stay, see RemoveBuilt.
func (w *World) End() error {
	var errs []error
	for _, side := range []*Side{w.Gateway, w.Floor} {
		if side != nil {
			errs = append(errs, side.Stop())
		}
	}
	return errors.Join(errs...)
}

// Load is requests to one side, and what each answer must be.
type Load struct {
	Side     *Side
	Requests []Request
	Want     Want
}

// Missing returns the first of some endpoints that the gateway does not serve; "" for none.
func (w *World) Missing(paths ...string) (string, error) {
	for _, path := range paths {
		if served, err := w.Gateway.Serves(path); err != nil || !served {
			return path, err
		}
	}
	return "", nil
}

// Prepare makes n keys of a scenario and returns the gateway's load and the floor's.
func (w *World) Prepare(g *Generation, s Scenario, n int) (gateway, floor Load, err error) {
	subjects, bodies, err := w.keys(g, s, n)
	if err != nil {
		return gateway, floor, err
	}
	return w.Loads(Question{g.Verify, g.authenticated, s.want(), s.first}, subjects, bodies)
}

// PrepareSubjects makes n keys of a scenario, and returns the gateway's load and the keys.
func (w *World) PrepareSubjects(g *Generation, s Scenario, n int) (gateway Load, secrets []string, err error) {
	secrets, bodies, err := w.keys(g, s, n)
	if err != nil {
		return gateway, nil, err
	}
	gateway, _, err = w.Loads(Question{g.Verify, g.authenticated, s.want(), s.first}, secrets, bodies)
	return gateway, secrets, err
}

// keys makes n keys of a scenario, and the bodies that ask about them.
func (w *World) keys(g *Generation, s Scenario, n int) (subjects []string, bodies [][]byte, err error) {
	if s.Setup != "" { // it may be there already: then it has the limit
		if _, _, err := w.Gateway.Call(s.Setup, s.setup); err != nil {
			return nil, nil, err
		}
	}
	for range n {
		key, err := w.key(g, s)
		if err != nil {
			return nil, nil, err
		}
		body, err := json.Marshal(With(s.ask, Object{"key": key}))
		if err != nil {
			return nil, nil, err
		}
		subjects, bodies = append(subjects, key), append(bodies, body)
	}
	return subjects, bodies, nil
}

func (w *World) key(g *Generation, s Scenario) (string, error) {
	if s.create == nil {
		return "missing_" + rand.Text(), nil
	}
	made, err := w.Gateway.Must(g.Create, With(s.create, Object{"apiId": w.APIID, "prefix": "bench"}))
	if err != nil {
		return "", err
	}
	key, ok := made["key"].(string)
	if !ok {
		return "", fmt.Errorf("%s answers without a key: %v", g.Create, made)
	}
	return key, nil
}

// Question is where requests go and how they are answered.
type Question struct {
	Path          string
	Authenticated bool
	Want          Want
	First         bool // the first answer may be another one
}

// Loads makes the same requests to both sides. The floor is told what the gateway
// answers to each, so that it writes as much.
func (w *World) Loads(q Question, subjects []string, bodies [][]byte) (gateway, floor Load, err error) {
	gateway, floor = Load{w.Gateway, nil, q.Want}, Load{w.Floor, nil, q.Want}
	for i, body := range bodies {
		answer, err := w.answer(q, body)
		if err == nil {
			_, err = w.Floor.Do("HSET", "floor:"+subjects[i], "balance", "1", "answer", string(answer))
		}
		if err != nil {
			return gateway, floor, err
		}
		for _, l := range []*Load{&gateway, &floor} {
			root := ""
			if q.Authenticated {
				root = l.Side.RootKey
			}
			l.Requests = append(l.Requests, NewRequest(q.Path, root, body))
		}
	}
	return gateway, floor, nil
}

// answer is what the gateway says to a request.
func (w *World) answer(q Question, body []byte) ([]byte, error) {
	for {
		status, answer, err := w.Gateway.Call(q.Path, json.RawMessage(body))
		if err != nil {
			return nil, err
		}
		err = q.Want.Check(status, answer)
		if err == nil || !q.First {
			return answer, err
		}
		q.First = false
	}
}
