package index_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/index"
)

// only are the networks of prefixes that are written down.
func only(prefixes ...string) index.Networks {
	parsed := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		parsed[i] = netip.MustParsePrefix(p)
	}
	return index.OnlyFrom(parsed...)
}

// usableFrom is what a record with one credential, of hash(1), is given.
func usableFrom(n index.Networks) index.Record {
	r := named("a", "b", hash(1))
	r.Networks = n
	return r
}

func TestAKeyMayBeUsedFromItsNetworksAlone(t *testing.T) {
	zoned := netip.MustParseAddr("fe80::1").WithZone("eth0")
	mapped := func(address string) netip.Addr { return netip.AddrFrom16(netip.MustParseAddr(address).As16()) }
	tests := map[string]struct {
		networks index.Networks
		from     netip.Addr
		want     bool
	}{
		"no restriction":                          {index.Networks{}, netip.MustParseAddr("192.0.2.1"), true},
		"no restriction, address not known":       {index.Networks{}, netip.Addr{}, true},
		"no network at all":                       {only(), netip.MustParseAddr("192.0.2.1"), false},
		"no network at all, IPv6":                 {only(), netip.MustParseAddr("2001:db8::1"), false},
		"address not known":                       {only("0.0.0.0/0", "::/0"), netip.Addr{}, false},
		"the first address of a network":          {only("203.0.113.0/24"), netip.MustParseAddr("203.0.113.0"), true},
		"the last address of a network":           {only("203.0.113.0/24"), netip.MustParseAddr("203.0.113.255"), true},
		"the address before a network":            {only("203.0.113.0/24"), netip.MustParseAddr("203.0.112.255"), false},
		"the address after a network":             {only("203.0.113.0/24"), netip.MustParseAddr("203.0.114.0"), false},
		"a network of one address":                {only("203.0.113.7/32"), netip.MustParseAddr("203.0.113.7"), true},
		"beside a network of one address":         {only("203.0.113.7/32"), netip.MustParseAddr("203.0.113.6"), false},
		"the second of several":                   {only("10.0.0.0/8", "203.0.113.0/24"), netip.MustParseAddr("203.0.113.1"), true},
		"inside a network and one within it":      {only("10.1.0.0/16", "10.0.0.0/8", "10.2.0.0/16"), netip.MustParseAddr("10.200.0.1"), true},
		"all of IPv4":                             {only("0.0.0.0/0"), netip.MustParseAddr("198.51.100.1"), true},
		"IPv6":                                    {only("2001:db8::/32"), netip.MustParseAddr("2001:db8:ffff::1"), true},
		"IPv6, outside":                           {only("2001:db8::/32"), netip.MustParseAddr("2001:db9::"), false},
		"IPv6 beside IPv4":                        {only("203.0.113.0/24", "2001:db8::/32"), netip.MustParseAddr("2001:db8::1"), true},
		"IPv4 beside IPv6":                        {only("203.0.113.0/24", "2001:db8::/32"), netip.MustParseAddr("203.0.113.1"), true},
		"IPv6 is not in all of IPv4":              {only("0.0.0.0/0"), netip.MustParseAddr("2001:db8::1"), false},
		"IPv4 is not in all of IPv6":              {only("::/0"), netip.MustParseAddr("203.0.113.1"), false},
		"IPv4 in IPv6's clothes":                  {only("203.0.113.0/24"), mapped("203.0.113.1"), true},
		"IPv4 in IPv6's clothes, outside":         {only("203.0.113.0/24"), mapped("203.0.114.1"), false},
		"IPv4 in IPv6's clothes and all of IPv6":  {only("::/0"), mapped("203.0.113.1"), false},
		"an address of a link, which has a zone":  {only("fe80::/10"), zoned, true},
		"an address of a link, outside":           {only("2001:db8::/32"), zoned, false},
		"IPv4 in IPv6's clothes with a zone":      {only("203.0.113.0/24"), mapped("203.0.113.1").WithZone("eth0"), true},
		"an address whose bytes are another's":    {only("2001:db8::/32"), netip.MustParseAddr("32.1.13.184"), false},
		"a network that is listed twice":          {only("203.0.113.0/24", "203.0.113.0/24"), netip.MustParseAddr("203.0.113.9"), true},
		"between two networks that are listed":    {only("203.0.113.0/25", "203.0.114.0/24"), netip.MustParseAddr("203.0.113.200"), false},
		"a network whose length is in no octet":   {only("203.0.113.64/27"), netip.MustParseAddr("203.0.113.95"), true},
		"outside one whose length is in no octet": {only("203.0.113.64/27"), netip.MustParseAddr("203.0.113.96"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for how, x := range bothWays(t, usableFrom(tt.networks)) {
				found, ok := x.Find(hash(1))
				if !ok || found.AllowsAddress(tt.from) != tt.want {
					t.Errorf("%s: found %v, %v is allowed: %v", how, ok, tt.from, !tt.want)
				}
				if _, want := tt.networks.Only(); found.RestrictsAddress() != want {
					t.Errorf("%s: it restricts addresses: %v", how, !want)
				}
			}
		})
	}
}

func TestWhatAKeyIsGrantedDoesNotRunTogether(t *testing.T) {
	r := usableFrom(only("203.0.113.0/24", "2001:db8::/32"))
	r.RateLimit = index.RateLimit{Requests: 0x2c616263, Period: 0x7c3b3d2c * time.Second, Burst: 1}
	r.Tenant, r.Permissions, r.Scopes = "acme", []string{"read"}, scope("category", "general")
	for how, x := range bothWays(t, r) {
		got, _ := x.Lookup(hash(1))
		want := index.Entry{
			Namespace: "a", Name: "b", Tenant: "acme", Permissions: "read", Scopes: "category=general", NotAfter: index.Never,
			RestrictsAddress: true, RateLimit: r.RateLimit,
		}
		if got != want {
			t.Errorf("%s: the index has\n%+v, want\n%+v", how, got, want)
		}
	}
}

func TestNetworksAndLimitsTakeMemoryOnlyWhereTheyAre(t *testing.T) {
	size := func(r index.Record) int64 {
		x := index.New()
		mustSet(t, x, r)
		return x.Stats().Bytes
	}
	r := named("a", "b", hash(1))
	r.Tenant = "acme-truck" // with a head of 5 bytes and this, one more byte would not fit in what it takes
	r.Permissions = []string{"r"}
	plain := size(r)
	r.Tenant += "s"
	if size(r) <= plain {
		t.Fatal("there is room to spare, so this test shows nothing")
	}
	r.Tenant = "acme-truck"
	r.Networks = only("203.0.113.0/24")
	if got := size(r) - plain; got != 16 {
		t.Errorf("a network takes %d bytes more, want 16", got)
	}
	if full := size(usableFrom(only(manyNetworks(64)...))); full > plain+64*6 {
		t.Errorf("64 networks take %d bytes, nothing takes %d", full, plain)
	}
}

func TestApiKeysWithTheSameNetworksShareThemInWhateverOrder(t *testing.T) {
	x := index.New()
	mustSet(t, x, usableFrom(only(manyNetworks(200)...)))
	one := x.Stats().Bytes
	backwards := manyNetworks(200)
	slices.Reverse(backwards)
	other := named("a", "c", hash(2))
	other.Networks = only(append(backwards, backwards[0])...)
	mustSet(t, x, other)
	if two := x.Stats().Bytes; two > one+1000 {
		t.Errorf("one takes %d bytes, two take %d", one, two)
	}
	x.Delete("a", "b")
	if found, ok := x.Find(hash(2)); !ok || !found.AllowsAddress(netip.MustParseAddr("10.199.0.1")) {
		t.Error("another lost its networks")
	}
}

// manyNetworks are so many that have nothing in common.
func manyNetworks(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("10.%d.0.0/16", i))
	}
	return all
}

// samples are addresses around the ends of networks, as they are and in IPv6's clothes.
func samples(prefixes ...netip.Prefix) []netip.Addr {
	all := []netip.Addr{{}}
	for _, p := range prefixes {
		first, last := p.Addr(), lastOf(p)
		for _, a := range []netip.Addr{first, last, first.Prev(), last.Next()} {
			if a.IsValid() {
				all = append(all, a, netip.AddrFrom16(a.As16()), a.WithZone("eth0"))
			}
		}
	}
	return all
}

func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// drawPrefix draws from few addresses, so that some lie within others.
func drawPrefix(t *rapid.T) netip.Prefix {
	address := netip.MustParseAddr(rapid.SampledFrom([]string{
		"10.0.0.0", "10.0.0.128", "10.0.255.3", "203.0.113.77", "255.255.255.255", "0.0.0.0",
		"::", "2001:db8::", "2001:db8::ffff:0:1", "2001:db8:8000::", "fe80::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	}).Draw(t, "address"))
	return netip.PrefixFrom(address, rapid.IntRange(0, address.BitLen()).Draw(t, "bits")).Masked()
}

func drawNetworks(t *rapid.T) index.Networks {
	if !rapid.Bool().Draw(t, "restricted") {
		return index.Networks{}
	}
	return index.OnlyFrom(rapid.SliceOfN(rapid.Custom(drawPrefix), 0, 5).Draw(t, "networks")...)
}

// isWithin is what networks mean, as one would write it without a thought for speed.
func isWithin(n index.Networks, address netip.Addr) bool {
	prefixes, restricted := n.Only()
	return !restricted || slices.ContainsFunc(prefixes, func(p netip.Prefix) bool {
		return p.Contains(address.Unmap().WithZone(""))
	})
}

func TestNetworksAllowWhatTheyAllowOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawNetworks(t)
		x := index.New()
		if err := x.Set(usableFrom(n)); err != nil {
			t.Fatal(err)
		}
		found, _ := x.Find(hash(1))
		prefixes, _ := n.Only()
		for _, a := range samples(append(prefixes, drawPrefix(t))...) {
			if got, want := found.AllowsAddress(a), isWithin(n, a); got != want {
				t.Fatalf("%v allow %v: %v, want %v", prefixes, a, got, want)
			}
		}
	})
}

func TestAskingForAnAddressOrALimitDoesNotAllocate(t *testing.T) {
	x := index.New()
	r := usableFrom(only(append(manyNetworks(32), "2001:db8::/32")...))
	r.RateLimit = index.RateLimit{Requests: 1, Period: time.Second, Burst: 1}
	mustSet(t, x, r)
	found, _ := x.Find(hash(1))
	addresses := samples(netip.MustParsePrefix("10.31.0.0/16"), netip.MustParsePrefix("2001:db8::/32"))
	allocs := testing.AllocsPerRun(100, func() {
		for _, a := range addresses {
			foundSink = found.AllowsAddress(a) != foundSink
		}
		foundSink = found.RateLimit() == r.RateLimit
	})
	if allocs != 0 || !foundSink {
		t.Errorf("%v allocations, want none; the limit is %+v", allocs, found.RateLimit())
	}
}
