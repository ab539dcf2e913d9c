package indexfeed_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/index"
)

// served is what the index has of an ApiKey with that spec and that grant.
func (b *bench) served(spec, grant string) index.Found {
	b.t.Helper()
	b.add(object(b.t, "k", spec, `{grant: `+grant+`}`))
	found, ok := b.index.Find(hash("k"))
	if !ok {
		b.t.Fatalf("the key is not in the index; the log says %s", b.log.String())
	}
	return found
}

func TestAKeyMayBeUsedFromWhereSpecAndGrantBothAllow(t *testing.T) {
	cases := map[string]struct {
		spec, grant     string
		allowed, denied []string
		unrestricted    bool
	}{
		"neither restricts": {
			spec: `{}`, grant: `{}`, unrestricted: true, allowed: []string{"203.0.113.1", "2001:db8::1", ""},
		},
		"empty lists restrict nothing": {
			spec: `{allowedCIDRs: []}`, grant: `{allowedCIDRs: []}`, unrestricted: true, allowed: []string{"203.0.113.1", ""},
		},
		"both the same": {
			spec: `{allowedCIDRs: [203.0.113.0/24]}`, grant: `{allowedCIDRs: [203.0.113.0/24]}`,
			allowed: []string{"203.0.113.1"}, denied: []string{"203.0.114.1", ""},
		},
		"the spec alone restricts: it was narrowed, and nobody has looked yet": {
			spec: `{allowedCIDRs: [203.0.113.0/24]}`, grant: `{}`, allowed: []string{"203.0.113.1"}, denied: []string{"203.0.114.1"},
		},
		"the grant alone restricts: the spec was widened, and nobody has looked yet": {
			spec: `{}`, grant: `{allowedCIDRs: [203.0.113.0/24]}`, allowed: []string{"203.0.113.1"}, denied: []string{"203.0.114.1"},
		},
		"the spec lies within the grant": {
			spec: `{allowedCIDRs: [203.0.113.64/26]}`, grant: `{allowedCIDRs: [203.0.113.0/24]}`,
			allowed: []string{"203.0.113.64", "203.0.113.127"}, denied: []string{"203.0.113.63", "203.0.113.128"},
		},
		"the grant lies within the spec": {
			spec: `{allowedCIDRs: [0.0.0.0/0]}`, grant: `{allowedCIDRs: [203.0.113.0/24]}`,
			allowed: []string{"203.0.113.1"}, denied: []string{"203.0.114.1", "2001:db8::1"},
		},
		"a network was taken out": {
			spec: `{allowedCIDRs: [203.0.113.0/24]}`, grant: `{allowedCIDRs: [203.0.113.0/24, 192.0.2.0/24]}`,
			allowed: []string{"203.0.113.1"}, denied: []string{"192.0.2.1"},
		},
		"a network was added": {
			spec: `{allowedCIDRs: [203.0.113.0/24, 192.0.2.0/24]}`, grant: `{allowedCIDRs: [203.0.113.0/24]}`,
			allowed: []string{"203.0.113.1"}, denied: []string{"192.0.2.1"},
		},
		"nothing in common allows no address, and does not lift the restriction": {
			spec: `{allowedCIDRs: [203.0.113.0/24]}`, grant: `{allowedCIDRs: [192.0.2.0/24]}`,
			denied: []string{"203.0.113.1", "192.0.2.1", "198.51.100.1", "2001:db8::1", ""},
		},
		"nothing in common, as one is of IPv6": {
			spec: `{allowedCIDRs: ["::/0"]}`, grant: `{allowedCIDRs: [0.0.0.0/0]}`, denied: []string{"203.0.113.1", "2001:db8::1", ""},
		},
		"both families": {
			spec: `{allowedCIDRs: ["2001:db8::/32", 203.0.113.0/24]}`, grant: `{allowedCIDRs: [203.0.113.0/25, "2001:db8:1::/48"]}`,
			allowed: []string{"203.0.113.1", "2001:db8:1::1"}, denied: []string{"203.0.113.129", "2001:db8:2::1"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			found := newBench(t).served(c.spec, c.grant)
			if found.RestrictsAddress() == c.unrestricted {
				t.Errorf("it restricts addresses: %v", found.RestrictsAddress())
			}
			for want, addresses := range map[bool][]string{true: c.allowed, false: c.denied} {
				for _, text := range addresses {
					address, _ := netip.ParseAddr(text) // none is not known
					if got := found.AllowsAddress(address); got != want {
						t.Errorf("%q is allowed: %v", text, got)
					}
				}
			}
		})
	}
}

// drawCIDRs draws networks of few addresses, so that some lie within others, of the same list and of another one.
func drawCIDRs(t *rapid.T, what string) []netip.Prefix {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) netip.Prefix {
		address := netip.MustParseAddr(rapid.SampledFrom([]string{
			"0.0.0.0", "10.0.0.0", "10.0.0.128", "10.128.0.1", "203.0.113.77", "::", "2001:db8::1", "2001:db8::8000:0:0:0",
		}).Draw(t, "address"))
		return netip.PrefixFrom(address, rapid.IntRange(0, address.BitLen()).Draw(t, "bits")).Masked()
	}), 0, 6, rapid.ID[netip.Prefix]).Draw(t, what)
}

// listed writes networks down as an ApiKey does.
func listed(networks []netip.Prefix) string {
	var all []string
	for _, n := range networks {
		all = append(all, fmt.Sprintf("%q", n))
	}
	return "{allowedCIDRs: [" + strings.Join(all, ", ") + "]}"
}

func TestAnAddressIsAllowedJustWhereEachListAllowsIt(t *testing.T) {
	b := newBench(t)
	rapid.Check(t, func(t *rapid.T) {
		spec, grant := drawCIDRs(t, "spec"), drawCIDRs(t, "grant")
		found := b.served(listed(spec), listed(grant))
		for _, network := range slices.Concat(spec, grant, drawCIDRs(t, "elsewhere")) {
			for _, address := range []netip.Addr{network.Addr(), network.Addr().Prev(), somewhereIn(t, network)} {
				if !address.IsValid() {
					continue
				}
				if got, want := found.AllowsAddress(address), allows(spec, address) && allows(grant, address); got != want {
					t.Fatalf("spec %v, grant %v: %v is allowed: %v", spec, grant, address, got)
				}
			}
		}
	})
}

// allows is what one list means.
func allows(networks []netip.Prefix, address netip.Addr) bool {
	within := func(n netip.Prefix) bool { return n.Contains(address) }
	return len(networks) == 0 || slices.ContainsFunc(networks, within)
}

// somewhereIn draws an address of a network.
func somewhereIn(t *rapid.T, network netip.Prefix) netip.Addr {
	bytes := network.Addr().AsSlice()
	random := rapid.SliceOfN(rapid.Byte(), len(bytes), len(bytes)).Draw(t, "host")
	for bit := network.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= random[bit/8] & (1 << (7 - bit%8))
	}
	address, _ := netip.AddrFromSlice(bytes)
	return address
}
