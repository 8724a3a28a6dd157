package main

import (
	"strconv"

	"tollgate/cmd/tollgate/web"

	"github.com/valyala/fastjson"
)

// answer is a JSON text taken apart, so that it can be written again member by
// member, as a gateway does.
type answer struct{ root value }

type value struct {
	kind     fastjson.Type
	text     string
	number   int64
	requests bool // the member requestId: another one each time
	members  []member
}

type member struct {
	name string // as it is written, quoted and with the colon; "" in an array
	value
}

// written is an answer with its request id. It implements web.Appender.
type written struct {
	*answer
	id string
}

// AppendJSON implements web.Appender.
func (w written) AppendJSON(b []byte) []byte { return w.root.append(b, w.id) }

func (v *value) append(b []byte, id string) []byte {
	switch {
	case v.requests:
		return web.AppendString(b, id)
	case v.kind == fastjson.TypeString:
		return web.AppendString(b, v.text)
	case v.kind == fastjson.TypeNumber:
		return strconv.AppendInt(b, v.number, 10)
	case v.kind == fastjson.TypeObject:
		return append(v.list(append(b, '{'), id), '}')
	case v.kind == fastjson.TypeArray:
		return append(v.list(append(b, '['), id), ']')
	}
	return append(b, v.text...)
}

func (v *value) list(b []byte, id string) []byte {
	for i := range v.members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v.members[i].name...)
		b = v.members[i].append(b, id)
	}
	return b
}

func parse(text string) (*answer, error) {
	v, err := fastjson.Parse(text)
	if err != nil {
		return nil, err
	}
	return &answer{valueOf(v)}, nil
}

func valueOf(v *fastjson.Value) value {
	out := value{kind: v.Type(), text: v.String()}
	switch out.kind {
	case fastjson.TypeString:
		out.text = string(v.GetStringBytes())
	case fastjson.TypeNumber:
		out.number = v.GetInt64()
	case fastjson.TypeArray:
		for _, item := range v.GetArray() {
			out.members = append(out.members, member{"", valueOf(item)})
		}
	case fastjson.TypeObject:
		v.GetObject().Visit(func(name []byte, item *fastjson.Value) {
			m := member{string(append(web.AppendString(nil, string(name)), ':')), valueOf(item)}
			m.requests = string(name) == "requestId"
			out.members = append(out.members, m)
		})
	}
	return out
}
