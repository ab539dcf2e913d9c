package stack

import "syscall"

// childAttributes make a child end with us even where we are killed. SIGTERM, not SIGKILL: nginx's
// master and the control plane have children of their own, which they then take along.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
