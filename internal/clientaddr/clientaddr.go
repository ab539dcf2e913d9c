// Package clientaddr finds out where a request came from, by what proxies tell. It looks only when it is asked, since
// most keys may be used from anywhere.
package clientaddr

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// Client is where a request came from. The zero value is one that is not known. It keeps the slices that it was
// given and is valid as long as they are.
type Client struct {
	address netip.Addr
	text    []byte
	trusted *Ranges
	// The last lines of X-Forwarded-For, in their order.
	lines [maxLines][]byte
	count int
}

// maxLines is how many lines of X-Forwarded-For are looked at, from the last one: each hop that appends a line of its own,
// instead of adding to the one that is there, is a proxy that is trusted. maxHops bounds the addresses in them.
const (
	maxLines = 4
	maxHops  = 32
)

// Known is a client whose address is certain.
func Known(address netip.Addr) Client { return Client{address: address.WithZone("")} }

// SetText makes c the client of an address in a header of its own, without a port.
func (c *Client) SetText(text []byte) { *c = Client{text: text} }

// SetForwarded makes c the client that the values of X-Forwarded-For tell, given the ranges of proxies that are trusted.
// Each proxy appends the address that it was asked from, so the right-most one that is no trusted proxy's is the last that
// a proxy vouches for; what stands left of it anyone can have made up.
func (c *Client) SetForwarded(values [][]byte, trusted *Ranges) {
	*c = Client{trusted: trusted}
	if len(values) > maxLines {
		values = values[len(values)-maxLines:]
	}
	c.count = copy(c.lines[:], values)
}

// Address is the client's address, the zero Addr where it is not known. IPv4 in IPv6's clothes comes as IPv4.
func (c *Client) Address() netip.Addr {
	switch {
	case c == nil:
		return netip.Addr{}
	case c.address.IsValid():
		return c.address.Unmap()
	case len(c.text) > 0:
		return parse(c.text).Unmap()
	}
	return c.rightmost()
}

// rightmost walks from the last hop to the first. A hop that cannot be read ends the walk: what stands left of it is as
// doubtful.
func (c *Client) rightmost() netip.Addr {
	for i, hops := c.count-1, maxHops; i >= 0; i-- {
		for rest, more := c.lines[i], true; more && hops > 0; hops-- {
			var hop []byte
			hop, rest, more = cutLast(rest)
			address := parse(bytes.Trim(hop, " \t")).Unmap()
			if !address.IsValid() || !c.trusted.contain(address) {
				return address
			}
		}
	}
	return netip.Addr{}
}

// cutLast cuts the last of a list off.
func cutLast(list []byte) (last, rest []byte, more bool) {
	if i := bytes.LastIndexByte(list, ','); i >= 0 {
		return list[i+1:], list[:i], true
	}
	return list, nil, false
}

// parse reads an address without a port. What is none is the zero Addr. A zone is a link of the proxy's machine and
// says nothing of the client; it is dropped.
func parse(text []byte) netip.Addr {
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
