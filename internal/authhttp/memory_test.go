package authhttp

import (
	"net"
	"runtime"
	"strings"
	"testing"
)

// TestNoConnectionKeepsTheMemoryOfManySmallHeaders has, in turn, somebody send as many headers as fit, and a proxy that opens a
// connection and keeps it: which gets whatever memory the first one left behind.
func TestNoConnectionKeepsTheMemoryOfManySmallHeaders(t *testing.T) {
	f := newFixture(t)
	address := f.serve(t)
	many := "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\n" + strings.Repeat("a:\n", 16_000)
	ends := []string{"\n", "no header\n\n"} // which is refused before it comes to us
	const connections = 50
	before := heap()
	kept := make([]net.Conn, connections)
	for i := range kept {
		f.send(t, dial(t, address), many+ends[i%len(ends)])
		kept[i] = dial(t, address)
		f.send(t, kept[i], oneRequest)
		if got := answers(t, kept[i], "", 1); got[0] != "200" {
			t.Fatalf("the proxy was answered %q", got)
		}
	}
	// A connection may have the two buffers that its settings name, and something more.
	if each, limit := (heap()-before)/connections, int64(3*DefaultSettings().MaxHeaderBytes); each > limit {
		t.Errorf("each of %d connections holds %d bytes, want %d at most", connections, each, limit)
	}
	runtime.KeepAlive(kept)
}

// heap is how much of it is in use once all is collected that can be; pools let go of what they hold at the second time.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
