package index

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Networks are where a key may be used from. The zero value is anywhere.
type Networks struct {
	restricted bool
	prefixes   []netip.Prefix
}

// OnlyFrom is what lies within one of the prefixes. Of no prefix that is nowhere.
func OnlyFrom(prefixes ...netip.Prefix) Networks {
	return Networks{restricted: true, prefixes: prefixes}
}

// The text of networks is how many there are of IPv4 and how many of IPv6, a byte each, and then those of IPv4
// and those of IPv6: the bytes of an address, and the length of its prefix.
const (
	networksHead = 2
	network4Size = 4 + 1
	network6Size = 16 + 1
)

// appendNetworks appends the text of networks in order and without those that lie within others, so that grants
// which say the same are the same.
func appendNetworks(text []byte, n Networks) ([]byte, error) {
	if slices.ContainsFunc(n.prefixes, func(p netip.Prefix) bool { return !isNetwork(p) }) {
		return nil, errors.New("one of its networks is none")
	}
	var addresses4, addresses6 []byte
	count4, count6 := 0, 0
	for _, p := range outermost(n.prefixes) {
		if p.Addr().Is4() {
			addresses4 = append(append(addresses4, p.Addr().AsSlice()...), uint8(p.Bits()))
			count4++
			continue
		}
		addresses6 = append(append(addresses6, p.Addr().AsSlice()...), uint8(p.Bits()))
		count6++
	}
	if max(count4, count6) > 255 {
		return nil, fmt.Errorf("it has %d networks, at most 255 of IPv4 and of IPv6 each are kept", count4+count6)
	}
	text = append(text, uint8(count4), uint8(count6))
	return append(append(text, addresses4...), addresses6...), nil
}

// isNetwork keeps out what no address is ever found in: AllowsAddress looks for IPv4 in IPv6's clothes as IPv4.
func isNetwork(p netip.Prefix) bool {
	return p.IsValid() && p == p.Masked() && !p.Addr().Is4In6()
}

// outermost drops the prefixes that lie within others; two prefixes have nothing in common otherwise.
func outermost(prefixes []netip.Prefix) []netip.Prefix {
	var kept []netip.Prefix
	for _, p := range slices.SortedFunc(slices.Values(prefixes), netip.Prefix.Compare) { // a wider one before those in it
		if len(kept) == 0 || !kept[len(kept)-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// networksLen is the length of the text of networks at the start of text.
func networksLen(text string) int {
	return networksHead + int(text[0])*network4Size + int(text[1])*network6Size
}

// allows looks for the network of an address in the text of networks. IPv4 in IPv6's clothes is the same client
// as without. A zone is a link of the machine that saw the address, which no network names: it is dropped.
func allows(networks string, address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	split := networksHead + int(networks[0])*network4Size
	list, size := networks[networksHead:split], network4Size
	if address.Is6() {
		list, size = networks[split:networksLen(networks)], network6Size
	}
	for ; len(list) > 0; list = list[size:] {
		if networkAt(list[:size]).Contains(address) { // never an address that is not known
			return true
		}
	}
	return false
}

func networkAt(text string) netip.Prefix {
	bits := int(text[len(text)-1])
	if len(text) == network4Size {
		var address [4]byte
		copy(address[:], text)
		return netip.PrefixFrom(netip.AddrFrom4(address), bits)
	}
	var address [16]byte
	copy(address[:], text)
	return netip.PrefixFrom(netip.AddrFrom16(address), bits)
}
