package verify_test

import (
	"context"
	"fmt"
	"log"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/alicebob/miniredis/v2"
)

// A key with one use is verified twice. A service uses store.Dial with the URL of its Redis;
// here it runs in the process.
func ExampleVerifier_Verify() {
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
	operator := keys.Operator(workspace).As()
	api, err := keyStore.CreateAPI(ctx, operator, "orders")
	if err != nil {
		log.Fatal(err)
	}
	uses := int64(1)
	key, err := keyStore.CreateKey(ctx, operator, keys.KeyDraft{APIID: api.ID, Remaining: &uses})
	if err != nil {
		log.Fatal(err)
	}

	verifier := verify.New(keyStore, verify.Options{})
	for range 2 {
		outcome, err := verifier.Verify(ctx, &verify.Request{Secret: key.Secret, APIID: api.ID})
		if err != nil {
			log.Fatal(err) // undecided: nobody is let in
		}
		fmt.Println(outcome.Valid(), outcome.Code, *outcome.Remaining)
	}
	// Output:
	// true VALID 0
	// false USAGE_EXCEEDED 0
}
