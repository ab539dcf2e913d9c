package authhttp

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// addressOf reads an address without a port. What is none, or absent, is the zero Addr: not known. A zone is a link
// of the proxy's machine and says nothing of the client; it is dropped.
func addressOf(text []byte) netip.Addr {
	text, _, hasZone := bytes.Cut(text, []byte("%"))
	if len(text) == 0 {
		return netip.Addr{}
	}
	// A string of the same memory, since a copy would be all that a decision allocates. Without a zone, ParseAddr keeps
	// nothing of it but in an error, which goes no further.
	address, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(text), len(text))) //nolint:gosec // see above
	if err != nil || hasZone && address.Is4() {
		return netip.Addr{}
	}
	return address
}
