//go:build !linux

package stack

import "syscall"

// childAttributes cannot tie a child to us here: where we are killed, it stays.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
