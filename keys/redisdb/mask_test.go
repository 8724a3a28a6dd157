package redisdb

import "testing"

// Nothing of a password is shown, and all else is.
func TestMaskURL(t *testing.T) {
	for url, want := range map[string]string{
		"redis://127.0.0.1:6379/2":                                               "redis://127.0.0.1:6379/2",
		"rediss://u:hunter2@a:1?db=2":                                            "rediss://u:[secret]@a:1?db=2",
		"redis://:hunter2@a:1":                                                   "redis://:[secret]@a:1",
		"redis+cluster://u:hunt:er@2/x@a:1,b:2":                                  "redis+cluster://u:[secret]@a:1,b:2",
		"unix://u:hunter2@/run/redis.sock?db=1":                                  "unix://u:[secret]@/run/redis.sock?db=1",
		"rediss+sentinel://a:1,b:2/main?sentinel_password=hunter2&client_name=x": "rediss+sentinel://a:1,b:2/main?sentinel_password=[secret]&client_name=x",
		"redis+sentinel://u:p@a:1/m?sentinel_username=s&sentinel_password=h@2":   "redis+sentinel://u:[secret]@2",
		"hunter2": "[secret]",
		"redis+sentinel://a:1/m?sentinel%5fp%61ssword=hunter2": "redis+sentinel://a:1/m?sentinel%5fp%61ssword=[secret]",
	} {
		if got := MaskURL(url); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
}
