package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"tollgate/keys"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Sealer encrypts the plaintexts of recoverable keys with the AEAD of a Tink
// keyset, AES-256-GCM. The key's id and workspace are authenticated with each, so
// that a sealed plaintext can't be moved to another key. It is safe for concurrent use.
//
// A rotated keyset is read from its file by Reload, and where a plaintext can't be opened
// while the file is another one than before: another gateway may have sealed with a key that
// this one has not read yet.
type Sealer struct {
	path    string
	reading sync.Mutex
	keyset  atomic.Pointer[loadedKeyset]
}

// loadedKeyset is what a file held.
type loadedKeyset struct {
	file os.FileInfo
	text []byte
	aead tink.AEAD
}

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
	s := &Sealer{path: path}
	if _, err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Reload reads the file again and reports whether it holds something else. With an error the
// keyset stays as it was: also where the new one would not open what the present one seals.
func (s *Sealer) Reload() (changed bool, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	next, err := loadKeyset(s.path)
	if err != nil {
		return false, err
	}
	now := s.keyset.Load()
	if now != nil && !next.follows(now) {
		return false, errors.New("the sealing keyset lacks the key that has sealed until now: it is no rotation of the one before")
	}
	s.keyset.Store(next)
	return now == nil || !bytes.Equal(now.text, next.text), nil
}

// follows reports whether a keyset opens what the one before seals.
func (k *loadedKeyset) follows(before *loadedKeyset) bool {
	sealed, err := before.aead.Encrypt(nil, nil)
	if err == nil {
		_, err = k.aead.Decrypt(sealed, nil)
	}
	return err == nil
}

func loadKeyset(path string) (*loadedKeyset, error) {
	file, err := os.Stat(path) // before it is read: what is written in between is read again
	if err != nil {
		return nil, fmt.Errorf("the sealing keyset can't be read: %w", err)
	}
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
	return &loadedKeyset{file, text, primitive}, nil
}

// replaced reports whether the file is another one than that of a keyset.
func (s *Sealer) replaced(now *loadedKeyset) bool {
	file, err := os.Stat(s.path)
	return err == nil && !(os.SameFile(file, now.file) && file.ModTime().Equal(now.file.ModTime()) && file.Size() == now.file.Size())
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
	return s.keyset.Load().aead.Encrypt([]byte(secret.Text), bindingOf(k))
}

// open unseals a key's plaintext; KindPrecondition without the keyset for it.
func (s *Sealer) open(k *keys.Key) (keys.Secret, error) {
	if s == nil {
		return keys.Secret{}, keys.Errorf(keys.KindPrecondition, "key", "the plaintext is sealed, and this server was started without a sealing keyset")
	}
	now := s.keyset.Load()
	plain, err := now.aead.Decrypt(k.Sealed, bindingOf(k))
	if err != nil && s.replaced(now) {
		_, _ = s.Reload() // a file that can't be read opens nothing more
		plain, err = s.keyset.Load().aead.Decrypt(k.Sealed, bindingOf(k))
	}
	if err != nil {
		return keys.Secret{}, keys.Errorf(keys.KindPrecondition, "key", "the plaintext was sealed with another keyset")
	}
	return keys.Secret{Text: string(plain)}, nil
}

// bindingOf is what is authenticated beside a sealed plaintext.
func bindingOf(k *keys.Key) []byte { return []byte(k.WorkspaceID + "/" + k.ID) }
