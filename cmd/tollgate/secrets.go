package main

import (
	"log/slog"
	"strings"

	"tollgate/keys"
)

// trimmed returns a secret, or a URL with a password in it, without the white space around
// it: a newline at the end of a file comes along with $(cat FILE) in few shells, and with
// env_file and mounted secrets often. No header and no password has it, so it is never
// meant; the log says that it was there.
func trimmed(name, secret string) string {
	bare := strings.TrimSpace(secret)
	if bare != secret {
		slog.Warn("white space around a secret was removed", "setting", name, "characters", len(secret)-len(bare))
	}
	return bare
}

// rootKeySetting names the root key of the command line and the environment.
const rootKeySetting = "--root-key (TOLLGATE_ROOT_KEY)"

// checkRootKey trims the root key and refuses one that can't be.
func (f *serveCommand) checkRootKey() error {
	given := f.RootKey
	if f.RootKey = trimmed(rootKeySetting, given); f.RootKey == "" {
		if given != "" {
			return usagef("%s is nothing but white space", rootKeySetting)
		}
		return nil
	}
	if err := keys.CheckRootSecret(keys.NewSecret(f.RootKey)); err != nil {
		return usagef("%s: %s", rootKeySetting, keys.AsError(err).Message)
	}
	return nil
}
