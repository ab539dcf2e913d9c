package e2e

import (
	"bytes"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// relay passes TCP connections on to servers in turn, as the address of a Service does. It counts them, keeps
// what was sent to the servers, and can be pointed at others while connections to the former ones go on.
type relay struct {
	listener net.Listener

	mu          sync.Mutex
	targets     []string
	connections []*recording
}

// recording is what came through one connection on its way to the server.
type recording struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

func (r *recording) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes.Write(b)
}

func (r *recording) content() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bytes.Bytes())
}

// newRelay starts a relay that ends with the test.
func newRelay(t *testing.T, targets ...string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: listener, targets: targets}
	go r.serve()
	t.Cleanup(func() { _ = listener.Close() })
	return r
}

func (r *relay) address() string { return r.listener.Addr().String() }

// pointAt has new connections passed on to other servers.
func (r *relay) pointAt(targets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.targets = targets
}

// accepted notes a new connection and says where it leads.
func (r *relay) accepted() (target string, record *recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	target, record = r.targets[len(r.connections)%len(r.targets)], &recording{}
	r.connections = append(r.connections, record)
	return target, record
}

// seen are the recordings of the connections so far.
func (r *relay) seen() []*recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.connections)
}

func (r *relay) serve() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return // closed at the end of the test
		}
		go r.pass(client)
	}
}

// pass copies both ways until either side is done.
func (r *relay) pass(client net.Conn) {
	target, record := r.accepted()
	server, err := net.Dial("tcp", target)
	if err != nil {
		_ = client.Close()
		return
	}
	go func() {
		_, _ = io.Copy(server, io.TeeReader(client, record))
		closeWriting(server)
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
	_ = server.Close()
}

// closeWriting tells the other side that nothing more comes, so that answers under way still arrive.
func closeWriting(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}
