package keys_test

import (
	"testing"

	"tollgate/keys"
)

// The id alone says that an API is managed: stores of every release have the one of setup keys
// under this id, without a mark in its record. No id that is made for an API looks like it.
func TestManagedAPIs(t *testing.T) {
	ws := keys.NewID(keys.PrefixWorkspace)
	tag := ws[len("ws_"):]
	if id := keys.ManagedAPIID(ws, "setup"); id != "api_setup_"+tag {
		t.Errorf("the API of setup keys is %s", id)
	}
	for id, want := range map[string]bool{
		"api_setup_" + tag: true, "api_other_" + tag: true,
		"api_setup_other": false, "api_setup": false, "api_" + tag: false, "key_setup_" + tag: false, "": false,
		"api_setup_" + tag + "_x": false, keys.NewID(keys.PrefixAPI): false,
	} {
		if api := (&keys.API{ID: id, WorkspaceID: ws}); api.Managed() != want {
			t.Errorf("%s is managed: %v", id, !want)
		}
	}
}
