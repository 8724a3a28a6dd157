package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"
	"tollgate/verify"
	"tollgate/verify/authz"
	"tollgate/verify/middleware"

	"github.com/alicebob/miniredis/v2"
)

// A service that has the Redis of a Tollgate verifies by itself.
func ExampleNew() {
	server, err := miniredis.Run() // a service uses store.Dial with the URL of its Redis
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	keyStore := store.Open(redisdb.DialInProcess(server.Addr()), store.Options{})
	defer keyStore.Close()
	ctx := context.Background()
	ws, _ := keyStore.Workspace(ctx, "example")
	operator := keys.Operator(ws).As()
	api, _ := keyStore.CreateAPI(ctx, operator, "orders")
	uses := int64(1)
	key, err := keyStore.CreateKey(ctx, operator, keys.KeyDraft{APIID: api.ID, Name: "first", Remaining: &uses})
	if err != nil {
		fmt.Println(err)
		return
	}

	question := &authz.Question{APIID: api.ID}
	protect, err := middleware.New(question, middleware.InProcess(verify.New(keyStore, verify.Options{})), middleware.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s", middleware.IdentityOf(r.Context()).Name)
	}))

	for range 2 {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+key.Secret.Reveal())
		w := httptest.NewRecorder()
		orders.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 hello, first
	// 429 {"type":"about:blank","title":"Too Many Requests","status":429,"detail":"the key has no credits left for this","code":"USAGE_EXCEEDED"}
}

// A service that has no Redis asks a Tollgate.
func ExampleRemote() {
	tollgate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("asked", r.URL.RawQuery) // of a real one: tollgate serve
		w.Header().Set("X-Key-Id", "key_1")
		w.Header().Set("X-Key-Name", "first")
	}))
	defer tollgate.Close()

	decider, err := middleware.Remote(middleware.RemoteOptions{URL: tollgate.URL, RootKey: keys.NewSecret("the root key")})
	if err != nil {
		fmt.Println(err)
		return
	}
	protect, err := middleware.New(&authz.Question{APIID: "api_1", Cost: 2}, decider, middleware.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("hello,", middleware.IdentityOf(r.Context()).Name)
	}))
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("X-API-Key", "a key")
	orders.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// asked apiId=api_1&cost=2
	// hello, first
}
