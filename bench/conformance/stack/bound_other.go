//go:build !linux

package stack

import "syscall"

// dieWithParent has nothing to offer outside Linux: there Stop is the only thing that ends a child.
func dieWithParent() *syscall.SysProcAttr { return nil }
