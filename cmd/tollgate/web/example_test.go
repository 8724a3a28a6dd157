package web_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
)

type createAPI struct {
	Name string `json:"name" check:"required,minLen=3"`
}

type createdAPI struct {
	ID string `json:"apiId"`
}

// fail writes an error as the dialect's clients expect it: one table turns kinds into statuses.
func fail(c *web.Call, p web.Problem) {
	status := p.Status()
	if status == 0 {
		status = map[keys.Kind]int{keys.KindUnauthenticated: 401, keys.KindConflict: 409}[p.Domain.Kind]
	}
	c.SetStatus(status)
	_ = c.WriteJSON(map[string]string{"error": p.Message()}) // fails only for values that have no JSON
}

// A dialect with one endpoint.
func Example() {
	d := &web.Dialect{
		Name: "v1", Prefixes: []string{"/v1/"}, NewRequestID: func() string { return "req_1" }, Fail: fail,
		Authorise: func(c *web.Call) error {
			if token, _ := c.Bearer(); token != "a-root-key" {
				return keys.Errorf(keys.KindUnauthenticated, "", "unknown root key")
			}
			return nil
		},
	}
	router := web.NewRouter(d)
	router.Add(d, web.Route{
		Method: "POST", Path: "/v1/apis.createApi", Name: "createApi", Needs: "api.*.create_api",
		Endpoint: web.JSON(d, func(c *web.Call, in *createAPI) (createdAPI, error) {
			return createdAPI{"api_of_" + in.Name}, nil
		}),
	})
	server := web.New(web.Config{DrainDelay: time.Millisecond}, router)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- server.Serve(listener) }()

	post(listener.Addr(), "a-root-key", `{"name":"orders"}`)
	post(listener.Addr(), "a-root-key", `{"name":"or"}`)
	post(listener.Addr(), "another", `{"name":"orders"}`)
	if err := server.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-done)
	// Output:
	// 200 {"apiId":"api_of_orders"}
	// 400 {"error":"name: must be at least 3 characters long"}
	// 401 {"error":"unknown root key"}
	// <nil>
}

func post(addr net.Addr, token, body string) {
	request, err := http.NewRequest("POST", "http://"+addr.String()+"/v1/apis.createApi", strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.StatusCode, strings.TrimSpace(string(text)))
}
