package entries

import (
	"context"
	"os"
	"os/user"
	"slices"
	"strings"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/audit"
)

// Refusals returns what notes changes that were refused before a store was asked.
func Refusals(log *audit.Log) func(c *web.Call, why *keys.Error) {
	return func(c *web.Call, why *keys.Error) {
		if caller, ok := c.Caller.(*keys.Caller); ok {
			log.Refuse(c.Context(), caller, c.Route().Action, why)
		}
	}
}

// shipped is an entry as a line of JSON.
type shipped struct {
	Workspace string `json:"workspaceId"`
	audit.Entry
}

// ship writes an entry on standard output, in one write.
func ship(ws string, e audit.Entry) {
	if line, err := JSON(shipped{ws, e}); err == nil {
		_, _ = os.Stdout.Write(line)
	}
}

// CommandContext is the context of a command, as kong has it: what it changes is an operator's.
// Its arguments are not noted: one may be a secret.
func CommandContext(command string) context.Context {
	words := slices.DeleteFunc(strings.Fields(command), func(word string) bool { return strings.HasPrefix(word, "<") || strings.HasPrefix(word, "[") })
	actor := audit.Actor{Type: audit.Operator, Command: strings.Join(words, " ")}
	if u, err := user.Current(); err == nil {
		actor.User = u.Username
	}
	return audit.WithOrigin(context.Background(), &audit.Origin{Actor: actor})
}

// EnvironmentContext is a context in which a gateway changes what its settings say.
func EnvironmentContext(ctx context.Context) context.Context {
	return audit.WithOrigin(ctx, &audit.Origin{Actor: audit.Actor{Type: audit.Environment, Command: "serve"}})
}
