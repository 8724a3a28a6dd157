package keys

import (
	"crypto/rand"
	"hash/crc32"
	"math/big"
	"strings"
)

// An access token is a root key in the form of NetBird's personal access tokens:
// "nbp_", 30 random characters of base 62, and six that check them. The check
// finds typing errors before anybody asks the store.
const (
	accessPrefix = "nbp_"
	accessRandom = 30
	accessCheck  = 6
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// NewAccessToken makes one: 178 random bits.
func NewAccessToken() Secret {
	random := make([]byte, accessRandom)
	for i := range random {
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(base62)))) // never fails: see crypto/rand
		random[i] = base62[n.Int64()]
	}
	return Secret{accessPrefix + string(random) + checksum(string(random))}
}

// checksum is the CRC-32 in base 62, padded with zeros on the left.
func checksum(random string) string {
	sum := crc32.ChecksumIEEE([]byte(random))
	var digits [accessCheck]byte
	for i := range digits {
		digits[len(digits)-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(digits[:])
}

// IsAccessToken reports whether a token says that it is an access token.
func IsAccessToken(token string) bool { return strings.HasPrefix(token, accessPrefix) }

// CheckAccessToken reports whether an access token has the right form and checksum.
func CheckAccessToken(token string) bool {
	rest, ok := strings.CutPrefix(token, accessPrefix)
	return ok && len(rest) == accessRandom+accessCheck && checksum(rest[:accessRandom]) == rest[accessRandom:]
}
