package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"tollgate/keys"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Sealer encrypts the plaintexts of recoverable keys with the AEAD of a Tink
// keyset, AES-256-GCM. The key's id and workspace are authenticated with each, so
// that a sealed plaintext can't be moved to another key.
type Sealer struct{ aead tink.AEAD }

// NewKeyset makes a keyset, as the JSON text that goes into a file.
func NewKeyset() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	return writeKeyset(handle)
}

// RotateKeyset adds a key to a keyset and makes it the one that seals. What the
// older ones sealed can still be opened.
func RotateKeyset(text []byte) ([]byte, error) {
	handle, err := readKeyset(text)
	if err != nil {
		return nil, err
	}
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, err
	}
	if handle, err = manager.Handle(); err != nil {
		return nil, err
	}
	return writeKeyset(handle)
}

// LoadSealer reads a keyset file that NewKeyset or RotateKeyset gave.
func LoadSealer(path string) (*Sealer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the sealing keyset can't be read: %w", err)
	}
	handle, err := readKeyset(text)
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, errors.New("the sealing keyset is not one for AEAD")
	}
	return &Sealer{primitive}, nil
}

func readKeyset(text []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil { // the cause may quote the file
		return nil, errors.New("the sealing keyset is not a Tink keyset in JSON")
	}
	return handle, nil
}

func writeKeyset(handle *keyset.Handle) ([]byte, error) {
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}

// Seals reports whether the store was opened with a keyset that seals plaintexts.
func (s *Store) Seals() bool { return s.sealer != nil }

func (s *Sealer) seal(k *keys.Key, secret keys.Secret) ([]byte, error) {
	return s.aead.Encrypt([]byte(secret.Text), bindingOf(k))
}

// open unseals a key's plaintext; KindPrecondition without the keyset for it.
func (s *Sealer) open(k *keys.Key) (keys.Secret, error) {
	if s == nil {
		return keys.Secret{}, keys.Errorf(keys.KindPrecondition, "key", "the plaintext is sealed, and this server was started without a sealing keyset")
	}
	plain, err := s.aead.Decrypt(k.Sealed, bindingOf(k))
	if err != nil {
		return keys.Secret{}, keys.Errorf(keys.KindPrecondition, "key", "the plaintext was sealed with another keyset")
	}
	return keys.Secret{Text: string(plain)}, nil
}

// bindingOf is what is authenticated beside a sealed plaintext.
func bindingOf(k *keys.Key) []byte { return []byte(k.WorkspaceID + "/" + k.ID) }
