package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// answerLog is an http.RoundTripper that writes answers into a file of the stack, but for those
// that give a secret on purpose.
type answerLog struct {
	through http.RoundTripper
	mu      sync.Mutex
	file    *os.File
}

func (l *answerLog) open() (err error) {
	l.file, err = os.Create(filepath.Join(world.Dir, "answers.log"))
	return err
}

// RoundTrip implements http.RoundTripper.
func (l *answerLog) RoundTrip(req *http.Request) (*http.Response, error) {
	var asked []byte
	if req.GetBody != nil {
		body, _ := req.GetBody() // of memory
		asked, _ = io.ReadAll(body)
	}
	res, err := l.through.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(raw))
	if res.StatusCode != http.StatusOK || !gives(req, asked) {
		l.keep(res.StatusCode, res.Header, raw)
	}
	return res, nil
}

// gives reports whether a request, granted, is answered with a secret.
func gives(req *http.Request, asked []byte) bool {
	switch path := req.URL.Path; {
	case strings.HasSuffix(path, "/keys.createKey"), strings.HasSuffix(path, "/keys.rerollKey"):
		return true
	case path == "/api/setup-keys":
		return req.Method == http.MethodPost
	}
	return req.URL.Query().Get("decrypt") == "true" || bytes.Contains(asked, []byte(`"decrypt":true`))
}

func (l *answerLog) keep(status int, header http.Header, raw []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.file, "%d %v %s\n", status, header, raw)
}
