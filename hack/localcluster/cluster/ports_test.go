package cluster

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAReservedPortIsRefusedToOtherProgramsAndGivenToTheServerItIsFor(t *testing.T) {
	port, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	defer port.release()

	if other, err := net.Listen("tcp", port.hostPort()); err == nil {
		_ = other.Close()
		t.Errorf("a program that knows nothing of the reservation could listen on %s", port.hostPort())
	}
	if connection, err := net.Dial("tcp", port.hostPort()); err == nil {
		_ = connection.Close()
		t.Errorf("a client was connected to %s before a server listened there", port.hostPort())
	}

	server, err := listenSharing(port.hostPort())
	if err != nil {
		t.Fatalf("the server that the port is reserved for cannot listen: %v", err)
	}
	defer func() { _ = server.Close() }()
	// More than one: connections must never be shared out to the reservation.
	for range 20 {
		client, err := net.Dial("tcp", port.hostPort())
		if err != nil {
			t.Fatalf("connect to the server: %v", err)
		}
		accepted, err := server.Accept()
		if err != nil {
			t.Fatalf("accept: %v", err)
		}
		_ = client.Close()
		_ = accepted.Close()
	}
}

func TestReservedPortsDiffer(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		port, err := reservePort()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(port.release)
		if seen[port.port] {
			t.Fatalf("port %d was given twice", port.port)
		}
		seen[port.port] = true
	}
}

func TestALaterStartReservesTheSamePort(t *testing.T) {
	file := filepath.Join(t.TempDir(), "port")
	first, err := reserveSamePort(file)
	if err != nil {
		t.Fatal(err)
	}
	serveOnce(t, first.hostPort())
	first.release()
	second, err := reserveSamePort(file)
	if err != nil {
		t.Fatal(err)
	}
	defer second.release()
	if second.port != first.port {
		t.Errorf("port %d at first, %d later", first.port, second.port)
	}
}

func TestALaterStartTakesAnotherPortWhereTheEarlierOneIsTaken(t *testing.T) {
	for name, take := range map[string]func(*testing.T, *reservation){
		"by a program that listens": func(t *testing.T, earlier *reservation) {
			earlier.release()
			listener, err := net.Listen("tcp", earlier.hostPort())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() })
		},
		"by a reservation": func(t *testing.T, earlier *reservation) { t.Cleanup(earlier.release) },
		"by a control plane that serves": func(t *testing.T, earlier *reservation) {
			t.Cleanup(earlier.release)
			listener, err := listenSharing(earlier.hostPort())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "port")
			earlier, err := reserveSamePort(file)
			if err != nil {
				t.Fatal(err)
			}
			take(t, earlier)
			later, err := reserveSamePort(file)
			if err != nil {
				t.Fatal(err)
			}
			defer later.release()
			if later.port == earlier.port {
				t.Errorf("port %d was reserved although it is taken", later.port)
			}
		})
	}
}

func TestAReleasedPortIsFree(t *testing.T) {
	port, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	port.release()
	listener, err := net.Listen("tcp", port.hostPort())
	if err != nil {
		t.Fatalf("listen after the release: %v", err)
	}
	_ = listener.Close()
}

// serveOnce leaves a connection behind that the server closed first, which the kernel remembers for a minute.
func serveOnce(t *testing.T, address string) {
	t.Helper()
	server, err := listenSharing(address)
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = accepted.Close()
	_, _ = io.ReadAll(client)
	_ = client.Close()
	_ = server.Close()
}

// listenSharing listens as kube-apiserver does with --permit-port-sharing.
func listenSharing(address string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, connection syscall.RawConn) error {
		var optionErr error
		err := connection.Control(func(fd uintptr) {
			optionErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		if err != nil {
			return err
		}
		return optionErr
	}}
	return config.Listen(context.Background(), "tcp", address)
}
