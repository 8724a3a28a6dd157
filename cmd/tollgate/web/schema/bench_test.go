package schema

import (
	"testing"
)

type verifyKey struct {
	APIID      *string      `json:"apiId"`
	Key        string       `json:"key" check:"required,minLen=1"`
	Tags       []string     `json:"tags" check:"maxItems=10" items:"minLen=1,maxLen=128"`
	Remaining  *costOnly    `json:"remaining"`
	Ratelimits []namedLimit `json:"ratelimits"`
}

type costOnly struct {
	Cost int64 `json:"cost" check:"min=0,default=1"`
}

type namedLimit struct {
	Name     string `json:"name" check:"required,minLen=1"`
	Cost     int64  `json:"cost" check:"min=0,default=1"`
	Limit    *int64 `json:"limit"`
	Duration *int64 `json:"duration"`
}

var hotBody = []byte(`{"apiId":"api_3ZcLzZgP","key":"prefix_8pEuzVt6bGb1qRg4o5xvjSoC","tags":["path=/v1/x"],` +
	`"remaining":{"cost":2},"ratelimits":[{"name":"requests","cost":1},{"name":"tokens","cost":150}]}`)

func BenchmarkDecodeVerifyKey(b *testing.B) {
	s := MustCompile[verifyKey]()
	b.ReportAllocs()
	b.SetBytes(int64(len(hotBody)))
	for b.Loop() {
		var in verifyKey
		if err := s.Decode(hotBody, &in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeKeyOnly(b *testing.B) {
	s := MustCompile[verifyKey]()
	body := []byte(`{"key":"prefix_8pEuzVt6bGb1qRg4o5xvjSoC"}`)
	b.ReportAllocs()
	for b.Loop() {
		var in verifyKey
		if err := s.Decode(body, &in); err != nil {
			b.Fatal(err)
		}
	}
}
