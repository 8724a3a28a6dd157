package store_test

import (
	"context"
	"fmt"
	"log"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"

	"github.com/alicebob/miniredis/v2"
)

// A key is created, and read by its id: the secret is seen once alone. A service uses
// store.Dial with the URL of its Redis; here it runs in the process.
func ExampleStore_CreateKey() {
	server, err := miniredis.Run()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	keyStore := store.Open(redisdb.DialInProcess(server.Addr()), store.Options{})
	defer keyStore.Close()
	ctx := context.Background()

	workspace, err := keyStore.Workspace(ctx, keys.DefaultWorkspace)
	if err != nil {
		log.Fatal(err)
	}
	operator := keys.Operator(workspace).As() // may do everything in the workspace
	api, err := keyStore.CreateAPI(ctx, operator, "orders")
	if err != nil {
		log.Fatal(err)
	}
	made, err := keyStore.CreateKey(ctx, operator, keys.KeyDraft{APIID: api.ID, Prefix: "ord", Name: "for Ann"})
	if err != nil {
		log.Fatal(err)
	}
	read, err := keyStore.Key(ctx, operator, made.ID, false)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(made.Secret.Reveal()[:4], made.Secret, read.Key.Name)
	// Output: ord_ [secret] for Ann
}
