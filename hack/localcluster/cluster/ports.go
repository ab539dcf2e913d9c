package cluster

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/files"
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
	socket, port, err := bindLoopback(0, unix.SO_REUSEPORT)
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	return &reservation{socket: socket, port: port}, nil
}

// reserveSamePort reserves the port whose number stands in file, so that clients of an earlier run find
// this one, or another one if that is taken or there was no earlier run. The file then holds what was reserved.
func reserveSamePort(file string) (*reservation, error) {
	reserved, err := reserveEarlierPort(file)
	if err != nil {
		if reserved, err = reservePort(); err != nil {
			return nil, err
		}
	}
	if err := files.Write(file, []byte(strconv.Itoa(reserved.port)+"\n")); err != nil {
		reserved.release()
		return nil, err
	}
	return reserved, nil
}

func reserveEarlierPort(file string) (*reservation, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return nil, err
	}
	// A port that another control plane has reserved can be shared, so whether it is free is told by a
	// socket that does not share; SO_REUSEADDR only overlooks connections that are already closed.
	probe, _, err := bindLoopback(port, unix.SO_REUSEADDR)
	if err != nil {
		return nil, err
	}
	_ = unix.Close(probe)
	socket, _, err := bindLoopback(port, unix.SO_REUSEPORT)
	if err != nil {
		return nil, err
	}
	return &reservation{socket: socket, port: port}, nil
}

// bindLoopback binds a new socket with the option to the port of 127.0.0.1, where 0 stands for any free one.
func bindLoopback(wanted, option int) (socket, port int, err error) {
	// The lock keeps a child that is started at the same moment from inheriting the socket.
	syscall.ForkLock.RLock()
	socket, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, 0, fmt.Errorf("create a socket: %w", err)
	}
	if port, err = bindSocket(socket, wanted, option); err != nil {
		_ = unix.Close(socket)
		return 0, 0, err
	}
	return socket, port, nil
}

func bindSocket(socket, wanted, option int) (port int, err error) {
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, option, 1); err != nil {
		return 0, fmt.Errorf("set a socket option: %w", err)
	}
	if err := unix.Bind(socket, &unix.SockaddrInet4{Port: wanted, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, fmt.Errorf("bind 127.0.0.1:%d: %w", wanted, err)
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
