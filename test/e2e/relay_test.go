package e2e

import (
	"bytes"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// relay keeps what was sent through it, connection by connection.
type relay struct {
	*stack.Relay

	mu          sync.Mutex
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
	r := &relay{}
	var err error
	if r.Relay, err = stack.StartRelay(r.record, targets...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// record begins the recording of a new connection.
func (r *relay) record() io.Writer {
	r.mu.Lock()
	defer r.mu.Unlock()
	record := &recording{}
	r.connections = append(r.connections, record)
	return record
}

// seen are the recordings of the connections so far.
func (r *relay) seen() []*recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.connections)
}
