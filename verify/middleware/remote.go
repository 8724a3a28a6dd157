package middleware

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/verify/authz"
)

// RemoteOptions say which Tollgate is asked.
type RemoteOptions struct {
	URL     string      // such as "http://127.0.0.1:8080"
	RootKey keys.Secret // that may verify the keys
	// Client sends the requests; nil is one with a timeout of 5 s. It must not send one twice,
	// nor follow redirects: one that is set here is copied and told so.
	Client *http.Client
}

// Remote returns a Decider that asks a Tollgate, with one request for each. The client's
// address is sent in X-Forwarded-For: the Tollgate believes it if the service is one of its
// --trusted-proxies.
func Remote(o RemoteOptions) (Decider, error) {
	base, err := url.Parse(o.URL)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return nil, errors.New("want the URL of a Tollgate, such as http://127.0.0.1:8080")
	case o.RootKey.Reveal() == "":
		return nil, errors.New("the root key is empty")
	}
	client := http.Client{Timeout: 5 * time.Second}
	if o.Client != nil {
		client = *o.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &remote{base.JoinPath("forward-auth"), o.RootKey, &client}, nil
}

type remote struct {
	url     *url.URL
	rootKey keys.Secret
	client  *http.Client
}

// Decide implements Decider.
func (r *remote) Decide(ctx context.Context, q *authz.Question, c Client) Decision {
	if !fitsHeader(c.Key.Reveal()) {
		return Refused(q.NotFound())
	}
	decision, err := r.ask(ctx, q, c)
	if err != nil {
		return Refused(q.Failed(err))
	}
	return decision
}

// fitsHeader reports whether a header can carry a key as it is. One of a cookie or a query may
// have what no header can, and spaces at its ends, which would be cut off: another key.
func fitsHeader(key string) bool {
	return strings.Trim(key, " \t") == key && !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func (r *remote) ask(ctx context.Context, q *authz.Question, c Client) (Decision, error) {
	parameters, err := q.Parameters()
	if err != nil {
		return Decision{}, err
	}
	at := *r.url
	at.RawQuery = parameters.Encode()
	// POST, because Go's transport sends what may be sent twice once more where a connection
	// breaks (net/http, Transport), and a use would be spent twice.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), nil)
	if err != nil {
		return Decision{}, err
	}
	req.Header.Set("X-Tollgate-Root-Key", r.rootKey.Reveal())
	req.Header.Set("X-API-Key", c.Key.Reveal())
	if c.Address.IsValid() {
		req.Header.Set("X-Forwarded-For", c.Address.String())
	}
	res, err := r.client.Do(req)
	if err != nil {
		return Decision{}, unreachable(err)
	}
	defer res.Body.Close()
	return read(res)
}

// unreachable is the error of a Tollgate that did not answer, without the URL that was called.
func unreachable(err error) error {
	var called *url.Error
	if errors.As(err, &called) {
		err = called.Err
	}
	return redisdb.Unavailable(fmt.Errorf("the Tollgate that is asked did not answer: %w", err))
}

const maxProblem = 64 << 10 // bytes of a refusal

// read makes a Decision of what a Tollgate answered. Whatever is not surely its answer lets
// nobody through.
func read(res *http.Response) (Decision, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProblem+1))
	if err != nil {
		return Decision{}, unreachable(err)
	}
	id, code := identityFrom(res.Header), res.Header.Get(authz.CodeHeader)
	switch {
	case res.StatusCode == http.StatusOK && code == "" && len(body) == 0 && id.KeyID != "":
		return Decision{Status: http.StatusOK, Headers: forClient(res.Header), Identity: id}, nil
	case res.StatusCode >= http.StatusBadRequest && code != "" && len(body) <= maxProblem:
		return Decision{Status: res.StatusCode, Headers: forClient(res.Header), Body: bytes.Clone(body)}, nil
	}
	return Decision{}, &authz.QuestionError{Message: "what was asked does not answer as a Tollgate does"}
}

// relayed are the headers of an answer that are for the client.
var relayed = []string{"RateLimit-Policy", "RateLimit", "Retry-After", "WWW-Authenticate", "Content-Type", authz.CodeHeader}

func forClient(from http.Header) func(set func(name, value string)) {
	return func(set func(name, value string)) {
		for _, name := range relayed {
			if value := from.Get(name); value != "" {
				set(name, value)
			}
		}
	}
}

// identityFrom reads the identity headers.
func identityFrom(h http.Header) *Identity {
	id := &Identity{}
	text := func(name string) string {
		value := h.Get(name)
		if value == authz.TooLarge {
			id.Omitted = append(id.Omitted, name)
			return ""
		}
		return value
	}
	id.KeyID, id.APIID = text("X-Key-Id"), text("X-Key-Api-Id")
	id.Name, id.ExternalID = unescaped(text("X-Key-Name")), unescaped(text("X-Key-External-Id"))
	id.Roles, id.Permissions = list(text("X-Key-Roles")), list(text("X-Key-Permissions"))
	if left, err := strconv.ParseInt(text("X-Key-Remaining"), 10, 64); err == nil {
		id.Remaining = &left
	}
	id.Meta, _ = base64.RawURLEncoding.DecodeString(text("X-Key-Meta"))
	return id
}

func list(text string) (names []string) {
	for name := range strings.SplitSeq(text, ",") {
		if name != "" {
			names = append(names, unescaped(name))
		}
	}
	return names
}

// unescaped undoes authz's percent-encoding.
func unescaped(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}
