package redisdb

import (
	"net/url"
	"regexp"
	"strings"
)

// MaskURL returns a Redis URL without its passwords, to be shown. What is no URL is masked
// whole.
func MaskURL(address string) string {
	if !urlScheme.MatchString(address) {
		return maskedSecret
	}
	address = urlUser.ReplaceAllString(address, "$1:"+maskedSecret+"@")
	rest, query, found := strings.Cut(address, "?")
	if !found {
		return address
	}
	options := strings.Split(query, "&")
	for i, option := range options {
		written, _, _ := strings.Cut(option, "=")
		if name, err := url.QueryUnescape(written); err != nil || strings.Contains(name, "password") {
			options[i] = written + "=" + maskedSecret
		}
	}
	return rest + "?" + strings.Join(options, "&")
}

const maskedSecret = "[secret]"

var (
	urlScheme = regexp.MustCompile(`^[a-z+]+://`)
	urlUser   = regexp.MustCompile(`^([^:/?]+://[^:/]*):(.*)@`) // up to the last @, as dial reads it
)
