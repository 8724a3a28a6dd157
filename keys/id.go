package keys

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	"github.com/mr-tron/base58"
)

// The prefixes of ids, by what they name.
const (
	PrefixKey        = "key"
	PrefixAPI        = "api"
	PrefixWorkspace  = "ws"
	PrefixPermission = "perm"
	PrefixRole       = "role"
	PrefixIdentity   = "id"
	prefixLimit      = "rl"
	PrefixNamespace  = "rlns"
	PrefixOverride   = "rlor"
)

const (
	idEpoch = 1_700_000_000 // unix seconds; ids count from here
	idWidth = 17            // the base58 digits of 12 bytes
)

// NewID makes "<prefix>_" and the base58 of 12 bytes: six of the time since idEpoch,
// in units of 2^-16 seconds, and six random. Padded to one width with base58's zero
// digit, ids of a kind sort by their creation. So a page of a list of a million keys
// reads what was written together, and lies together in memory: of ids that were in no
// order within a second it took twice as long.
func NewID(prefix string) string {
	var raw [12]byte
	_, _ = rand.Read(raw[6:])
	now := time.Now()
	binary.BigEndian.PutUint32(raw[:4], uint32(now.Unix()-idEpoch))
	binary.BigEndian.PutUint16(raw[4:6], uint16(uint64(now.Nanosecond())<<16/1e9))
	body := strings.TrimLeft(base58.Encode(raw[:]), "1")
	return prefix + "_" + strings.Repeat("1", idWidth-len(body)) + body
}
