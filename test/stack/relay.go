package stack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
)

// Relay passes TCP connections on to servers in turn, as the address of a Service does, and can be pointed at
// others while connections to the former ones go on. A connection for which there is no server is closed.
type Relay struct {
	Address string // host:port

	listener net.Listener
	tap      func() io.Writer

	mu       sync.Mutex
	targets  []string
	accepted int
}

// StartRelay starts a relay in this process, which Close ends. For each connection tap, which may be nil, is
// asked where to copy what is sent to the server.
func StartRelay(tap func() io.Writer, targets ...string) (*Relay, error) {
	return startRelay("127.0.0.1", tap, targets...)
}

// StartReachableRelay is StartRelay at an address of this machine that may stand in an EndpointSlice, as a loopback address
// may not.
func StartReachableRelay(targets ...string) (*Relay, error) {
	address, err := machineAddress()
	if err != nil {
		return nil, err
	}
	return startRelay(address, nil, targets...)
}

// machineAddress is the machine's first IPv4 address that is not a loopback one.
func machineAddress() (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("look for an address of this machine: %w", err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.IsGlobalUnicast() && network.IP.To4() != nil {
			return network.IP.String(), nil
		}
	}
	return "", errors.New("this machine has no IPv4 address but on the loopback interface")
}

func startRelay(host string, tap func() io.Writer, targets ...string) (*Relay, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("start a relay: %w", err)
	}
	if tap == nil {
		tap = func() io.Writer { return io.Discard }
	}
	r := &Relay{Address: listener.Addr().String(), listener: listener, tap: tap, targets: targets}
	go r.serve()
	return r, nil
}

// Close ends the listening; connections go on.
func (r *Relay) Close() error { return r.listener.Close() }

// PointAt has new connections passed on to other servers.
func (r *Relay) PointAt(targets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.targets = slices.Clone(targets)
}

// next says where a new connection leads; nowhere if that is empty.
func (r *Relay) next() (target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.targets) > 0 {
		target = r.targets[r.accepted%len(r.targets)]
	}
	r.accepted++
	return target
}

func (r *Relay) serve() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		go r.pass(client)
	}
}

// pass copies both ways until either side is done.
func (r *Relay) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	tap, target := r.tap(), r.next()
	if target == "" {
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(server, io.TeeReader(client, tap))
		closeWriting(server)
	}()
	_, _ = io.Copy(client, server)
}

// closeWriting tells the other side that nothing more comes, so that answers under way still arrive.
func closeWriting(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}
