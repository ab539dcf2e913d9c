package cluster

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// reservation holds a TCP port of 127.0.0.1 for a server that is about to be started.
//
// The port is bound with SO_REUSEPORT but not listened on: no other program is given it, the kernel
// sends no connection here, and a server of the same user that sets SO_REUSEPORT as well can listen
// on it. So nothing can take the port between choosing and serving, and none has to be tried twice.
type reservation struct {
	socket int
	port   int
}

// reservePort reserves a free port of the kernel's choice.
func reservePort() (*reservation, error) {
	// The lock keeps a child that is started at the same moment from inheriting the socket.
	syscall.ForkLock.RLock()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("reserve a port: create a socket: %w", err)
	}
	port, err := bindLoopback(socket)
	if err != nil {
		_ = unix.Close(socket)
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	return &reservation{socket: socket, port: port}, nil
}

func bindLoopback(socket int) (port int, err error) {
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, fmt.Errorf("set SO_REUSEPORT: %w", err)
	}
	if err := unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, fmt.Errorf("bind 127.0.0.1: %w", err)
	}
	address, err := unix.Getsockname(socket)
	if err != nil {
		return 0, fmt.Errorf("read the port bound: %w", err)
	}
	inet4, ok := address.(*unix.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("read the port bound: got a %T", address)
	}
	return inet4.Port, nil
}

// hostPort is the address reserved, as host:port.
func (r *reservation) hostPort() string { return fmt.Sprintf("127.0.0.1:%d", r.port) }

// release gives the port up; a server that listens on it is not disturbed.
func (r *reservation) release() { _ = unix.Close(r.socket) }
