package unkeyv2

import (
	"strconv"

	"tollgate/cmd/tollgate/web"
)

// AppendJSON implements web.Appender: what encoding/json would write.
func (v *verifyKeyResponse) AppendJSON(b []byte) []byte {
	b = v.Data.appendJSON(append(b, `{"data":`...))
	b = web.AppendString(append(b, `,"meta":{"requestId":`...), v.Meta.RequestID)
	return append(b, '}', '}')
}

func (v *verified) appendJSON(b []byte) []byte {
	b = web.AppendString(append(b, `{"code":`...), string(v.Code))
	if v.Credits != nil {
		b = strconv.AppendInt(append(b, `,"credits":`...), *v.Credits, 10)
	}
	if v.Enabled != nil {
		b = strconv.AppendBool(append(b, `,"enabled":`...), *v.Enabled)
	}
	if v.Expires != 0 {
		b = strconv.AppendInt(append(b, `,"expires":`...), v.Expires, 10)
	}
	if v.Identity != nil {
		b = v.Identity.appendJSON(append(b, `,"identity":`...))
	}
	b = appendText(b, `,"keyId":`, v.KeyID)
	if len(v.Meta) > 0 {
		b = append(append(b, `,"meta":`...), v.Meta...)
	}
	b = appendText(b, `,"name":`, v.Name)
	b = appendList(b, `,"permissions":[`, v.Permissions, web.AppendString)
	b = appendList(b, `,"ratelimits":[`, v.Ratelimits, appendVerified)
	b = appendList(b, `,"roles":[`, v.Roles, web.AppendString)
	b = strconv.AppendBool(append(b, `,"valid":`...), v.Valid)
	return append(b, '}')
}

func (i *identityResponse) appendJSON(b []byte) []byte {
	b = web.AppendString(append(b, `{"externalId":`...), i.ExternalID)
	b = web.AppendString(append(b, `,"id":`...), i.ID)
	if len(i.Meta) > 0 {
		b = append(append(b, `,"meta":`...), i.Meta...)
	}
	b = appendList(b, `,"ratelimits":[`, i.Ratelimits, appendLimit)
	return append(b, '}')
}

func appendLimit(b []byte, l limitResponse) []byte {
	b = strconv.AppendBool(append(b, `{"autoApply":`...), l.AutoApply)
	b = strconv.AppendInt(append(b, `,"duration":`...), l.Duration, 10)
	b = web.AppendString(append(b, `,"id":`...), l.ID)
	b = strconv.AppendInt(append(b, `,"limit":`...), l.Limit, 10)
	b = web.AppendString(append(b, `,"name":`...), l.Name)
	return append(b, '}')
}

func appendVerified(b []byte, l limitVerified) []byte {
	b = strconv.AppendBool(append(b, `{"autoApply":`...), l.AutoApply)
	b = strconv.AppendInt(append(b, `,"duration":`...), l.Duration, 10)
	b = strconv.AppendBool(append(b, `,"exceeded":`...), l.Exceeded)
	b = web.AppendString(append(b, `,"id":`...), l.ID)
	b = strconv.AppendInt(append(b, `,"limit":`...), l.Limit, 10)
	b = web.AppendString(append(b, `,"name":`...), l.Name)
	b = strconv.AppendInt(append(b, `,"remaining":`...), l.Remaining, 10)
	b = strconv.AppendInt(append(b, `,"reset":`...), l.Reset, 10)
	return append(b, '}')
}

func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return web.AppendString(append(b, name...), value)
}

// appendList appends a member that is left out where the list is empty.
func appendList[T any](b []byte, name string, all []T, one func([]byte, T) []byte) []byte {
	if len(all) == 0 {
		return b
	}
	b = append(b, name...)
	for i, item := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, item)
	}
	return append(b, ']')
}
