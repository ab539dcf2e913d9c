package index

import "net/netip"

// Only gives what a test needs to know of networks to say by itself what they allow.
func (n Networks) Only() (prefixes []netip.Prefix, restricted bool) { return n.prefixes, n.restricted }
