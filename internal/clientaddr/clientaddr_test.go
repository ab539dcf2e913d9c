package clientaddr_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/clientaddr"
)

func bytesOf(lines []string) (all [][]byte) {
	for _, line := range lines {
		all = append(all, []byte(line))
	}
	return all
}

func TestTheRightmostAddressThatIsNoTrustedProxysIsTheClients(t *testing.T) {
	proxies := []string{"10.0.0.0/8", "192.0.2.1", "2001:db8:ffff::/48", "::1"}
	tests := map[string]struct {
		trusted []string
		values  []string
		want    string // empty: not known
	}{
		"nobody tells":                                    {nil, nil, ""},
		"one address":                                     {nil, []string{"203.0.113.7"}, "203.0.113.7"},
		"without trusted proxies the last":                {nil, []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"what a client made up stands left":               {proxies, []string{"127.0.0.1, 203.0.113.7, 10.1.2.3"}, "203.0.113.7"},
		"a client that names a trusted proxy":             {proxies, []string{"10.9.9.9, 203.0.113.7, 10.1.2.3"}, "203.0.113.7"},
		"two trusted proxies":                             {proxies, []string{"203.0.113.7, 192.0.2.1, 10.1.2.3"}, "203.0.113.7"},
		"an address beside the one that is trusted":       {proxies, []string{"203.0.113.7, 192.0.2.2"}, "192.0.2.2"},
		"trusted proxies alone":                           {proxies, []string{"10.1.2.3, 10.1.2.4"}, ""},
		"IPv6":                                            {proxies, []string{"2001:db8::7, 2001:db8:ffff::1"}, "2001:db8::7"},
		"IPv4 in IPv6's clothes":                          {proxies, []string{"::ffff:203.0.113.7, ::ffff:10.1.2.3"}, "203.0.113.7"},
		"without spaces":                                  {proxies, []string{"203.0.113.7,10.1.2.3"}, "203.0.113.7"},
		"with tabs":                                       {proxies, []string{"203.0.113.7\t,\t10.1.2.3\t"}, "203.0.113.7"},
		"in two lines, of which the last is the later":    {nil, []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		"a proxy that adds a line of its own":             {proxies, []string{"127.0.0.1, 203.0.113.7", "10.1.2.3"}, "203.0.113.7"},
		"more lines than are looked at":                   {proxies, []string{"203.0.113.7", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}, ""},
		"more hops than are looked at":                    {proxies, []string{"203.0.113.7" + strings.Repeat(", 10.0.0.1", 32)}, ""},
		"as many hops as are looked at":                   {proxies, []string{"203.0.113.7" + strings.Repeat(", 10.0.0.1", 31)}, "203.0.113.7"},
		"what cannot be read is not skipped":              {proxies, []string{"203.0.113.7, unknown, 10.1.2.3"}, ""},
		"an empty one is not skipped":                     {proxies, []string{"203.0.113.7, , 10.1.2.3"}, ""},
		"a comma behind":                                  {proxies, []string{"203.0.113.7,"}, ""},
		"with a port":                                     {nil, []string{"203.0.113.7:443"}, ""},
		"in brackets":                                     {nil, []string{"[2001:db8::7]"}, ""},
		"quoted":                                          {nil, []string{`"203.0.113.7"`}, ""},
		"with the zone of a link":                         {nil, []string{"fe80::7%eth0"}, "fe80::7"},
		"an allow-list is of networks, not of beginnings": {[]string{"10.0.0.0/8"}, []string{"203.0.113.7, 10.255.255.255, 1.0.0.1"}, "1.0.0.1"},
		"everybody is trusted":                            {[]string{"0.0.0.0/0", "::/0"}, []string{"203.0.113.7"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			trusted, err := clientaddr.ParseRanges(tt.trusted)
			if err != nil {
				t.Fatal(err)
			}
			var client clientaddr.Client
			client.SetForwarded(bytesOf(tt.values), trusted)
			var want netip.Addr
			if tt.want != "" {
				want = netip.MustParseAddr(tt.want)
			}
			if got := client.Address(); got != want {
				t.Errorf("the client is %v, want %v", got, want)
			}
		})
	}
}

// TestWhatAClientSendsCannotReachPastItsOwnAddress has a client make up any beginning.
func TestWhatAClientSendsCannotReachPastItsOwnAddress(t *testing.T) {
	trusted, err := clientaddr.ParseRanges([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, forged := range []string{"", "10.0.0.1", "127.0.0.1", "10.0.0.1, 10.0.0.2", ",,,", strings.Repeat("10.0.0.1,", 100), "%", "\x00", "::1"} {
		for _, lines := range [][]string{{forged + ", 203.0.113.7, 10.0.0.9"}, {forged, "203.0.113.7, 10.0.0.9"}, {forged, forged, forged, forged, "203.0.113.7", "10.0.0.9"}} {
			var client clientaddr.Client
			client.SetForwarded(bytesOf(lines), trusted)
			if got := client.Address(); got != netip.MustParseAddr("203.0.113.7") {
				t.Errorf("with %q the client is %v", lines, got)
			}
		}
	}
}

func TestAKnownAddressComesWithoutItsZone(t *testing.T) {
	for text, want := range map[string]string{"fe80::1%eth0": "fe80::1", "::ffff:192.0.2.1": "192.0.2.1", "192.0.2.1": "192.0.2.1"} {
		client := clientaddr.Known(netip.MustParseAddr(text))
		if got := client.Address(); got != netip.MustParseAddr(want) {
			t.Errorf("%s is %v, want %s", text, got, want)
		}
	}
	if got := (*clientaddr.Client)(nil).Address(); got.IsValid() {
		t.Errorf("nobody's address is %v", got)
	}
}

func TestRangesThatMakeNoSense(t *testing.T) {
	for text, want := range map[string]string{
		"proxies":             "neither a network",
		"":                    "neither a network",
		"10.0.0.0/33":         "neither a network",
		"10.0.0.1/8":          "did you mean 10.0.0.0/8?",
		"::ffff:10.0.0.0/104": "write the IPv4 network",
		"fe80::1%eth0":        "neither a network",
	} {
		if _, err := clientaddr.ParseRanges([]string{"192.0.2.0/24", text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}

func TestFindingTheAddressDoesNotAllocate(t *testing.T) {
	trusted, err := clientaddr.ParseRanges([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	values := bytesOf([]string{"198.51.100.1, 203.0.113.7", "10.0.0.9, 10.0.0.8"})
	var client clientaddr.Client
	if allocs := testing.AllocsPerRun(100, func() {
		client.SetForwarded(values, trusted)
		if !client.Address().IsValid() {
			t.Error("not known")
		}
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "203.0.113.7", "203.0.113.7, 10.0.0.1", ",", " , ", "::1,10.0.0.1", "%,10.0.0.1"} {
		f.Add(seed)
	}
	trusted, err := clientaddr.ParseRanges([]string{"10.0.0.0/8", "::1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// The model: the list from its end.
		hops := strings.Split(text, ",")
		var want netip.Addr
		for i := range min(len(hops), 32) {
			hop := strings.Trim(hops[len(hops)-1-i], " \t")
			if strings.Contains(hop, "%") {
				return // zones have a test of their own
			}
			address, err := netip.ParseAddr(hop)
			if err != nil {
				break
			}
			address = address.Unmap()
			if !netip.MustParsePrefix("10.0.0.0/8").Contains(address) && address != netip.IPv6Loopback() {
				want = address
				break
			}
		}
		var client clientaddr.Client
		client.SetForwarded([][]byte{[]byte(text)}, trusted)
		if got := client.Address(); got != want {
			t.Fatalf("%q is %v, want %v", text, got, want)
		}
	})
}
