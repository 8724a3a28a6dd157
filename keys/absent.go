package keys

// The law: what is not there and what the caller may not know of look alike. A dialect that
// hides a missing right answers with the very error that the stores return for what is
// absent, so each of them is made here and nowhere else.

// APINotFound is the error for an API that a workspace does not have.
func APINotFound(id string) error {
	return Errorf(KindNotFound, "api", "api %s not found", Redact(id))
}

// NamespaceNotFound is the error for a namespace that a workspace does not have.
func NamespaceNotFound(r NamespaceRef) error {
	return Errorf(KindNotFound, "ratelimit_namespace", "namespace %s not found", Redact(r.Text()))
}

// SecretNotFound is the error for a secret that is of none of a workspace's keys. It does
// not say which.
func SecretNotFound() error { return Errorf(KindNotFound, "key", "Key not found") }
