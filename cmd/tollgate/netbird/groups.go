package netbird

import (
	"encoding/json"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/setupkeys"
)

// groupRequest names a group. Peers and resources are not kept here: a group is
// what setup keys hand out.
type groupRequest struct {
	Name      string            `json:"name" bound:"minLen=1,maxBytes=MaxGroupName"`
	Peers     []string          `json:"peers,omitempty" bound:"maxItems=0"`
	Resources []json.RawMessage `json:"resources,omitempty" bound:"maxItems=0"`
}

func (in *groupRequest) check() error {
	if len(in.Peers) > 0 {
		return keys.Invalidf("peers", "peers of a group are not kept here: leave them out")
	}
	if len(in.Resources) > 0 {
		return keys.Invalidf("resources", "resources of a group are not kept here: leave them out")
	}
	return nil
}

type groupResponse struct {
	ID             string   `json:"id"`
	Issued         string   `json:"issued"`
	Name           string   `json:"name"`
	Peers          []string `json:"peers"`
	PeersCount     int64    `json:"peers_count"`
	Resources      []string `json:"resources"`
	ResourcesCount int64    `json:"resources_count"`
}

func groupOf(g *setupkeys.Group) groupResponse {
	return groupResponse{ID: g.ID, Name: g.Name, Issued: "api", Peers: []string{}, Resources: []string{}}
}

func shownGroup(g *setupkeys.Group, err error) (groupResponse, error) {
	if err != nil {
		return groupResponse{}, err
	}
	return groupOf(g), nil
}

// groupsRequest asks for the group with a name, or for all.
type groupsRequest struct {
	Name string `json:"name"`
}

func (a *API) listGroups(c *web.Call, in *groupsRequest) (web.Rows[groupResponse], error) {
	var all []*setupkeys.Group
	var err error
	if in.Name == "" {
		all, err = a.store.Groups(c.Context(), access(c))
	} else {
		all = make([]*setupkeys.Group, 1)
		all[0], err = a.store.GroupByName(c.Context(), access(c), in.Name)
	}
	if err != nil {
		return nil, err
	}
	out := make([]groupResponse, len(all))
	for i, g := range all {
		out[i] = groupOf(g)
	}
	return out, nil
}

func (a *API) createGroup(c *web.Call, in *groupRequest) (groupResponse, error) {
	if err := in.check(); err != nil {
		return groupResponse{}, err
	}
	return shownGroup(a.store.CreateGroup(c.Context(), access(c), in.Name))
}

func (a *API) getGroup(c *web.Call) (groupResponse, error) {
	return shownGroup(a.store.Group(c.Context(), access(c), c.Param("groupId")))
}

func (a *API) updateGroup(c *web.Call, in *groupRequest) (groupResponse, error) {
	if err := in.check(); err != nil {
		return groupResponse{}, err
	}
	return shownGroup(a.store.RenameGroup(c.Context(), access(c), c.Param("groupId"), in.Name))
}

func (a *API) deleteGroup(c *web.Call) (empty, error) {
	return empty{}, a.store.DeleteGroup(c.Context(), access(c), c.Param("groupId"))
}
