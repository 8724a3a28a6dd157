// Package keystest is the test kit of keys and of what stands on it: a workspace with an API,
// as tests of the store, of verifications and of what may break need one, and what they look at.
//
//	w := keystest.New(t, c, "test")
//	made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(3)})
//	o := w.Check(verify.Request{Secret: made.Secret, Cost: 1})
//	if left := w.Left(made.ID).Balance; left != 2 { … }
//
// A test that wants words of its own embeds a World. The Redis comes from package redistest;
// package leaks looks for secrets in what was written.
package keystest
