package clientaddr

import (
	"fmt"
	"net/netip"
)

// Ranges are the addresses of proxies that are trusted to tell where a request came from. Nil is none.
type Ranges struct {
	prefixes []netip.Prefix
}

// ParseRanges reads networks such as 10.0.0.0/8 and single addresses.
func ParseRanges(texts []string) (*Ranges, error) {
	r := &Ranges{}
	for _, text := range texts {
		prefix, err := parseRange(text)
		if err != nil {
			return nil, err
		}
		r.prefixes = append(r.prefixes, prefix)
	}
	return r, nil
}

func parseRange(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is neither a network such as 10.0.0.0/8 nor an address", text)
	case prefix != prefix.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits set behind its length; did you mean %s?", text, prefix.Masked())
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is IPv4 written as IPv6; write the IPv4 network", text)
	}
	return prefix, nil
}

// Empty reports whether nothing is trusted.
func (r *Ranges) Empty() bool { return r == nil || len(r.prefixes) == 0 }

func (r *Ranges) contain(address netip.Addr) bool {
	if r == nil {
		return false
	}
	for _, prefix := range r.prefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
