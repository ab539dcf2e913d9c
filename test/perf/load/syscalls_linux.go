package load

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls that are made for each request, without telling the scheduler: none of them waits, and that would cost the
// client as much as they do.

func read(fd int, to []byte) (int, error) {
	return raw(unix.SYS_READ, fd, to)
}

func write(fd int, from []byte) (int, error) {
	return raw(unix.SYS_WRITE, fd, from)
}

func raw(call uintptr, fd int, memory []byte) (int, error) {
	n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(memory))), uintptr(len(memory))) //nolint:gosec // as unix.Read does
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// poll is epoll_wait with no time to wait.
func poll(epoll int, events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0) //nolint:gosec // as unix.EpollWait does
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
