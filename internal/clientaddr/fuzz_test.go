package clientaddr

import (
	"net/netip"
	"strings"
	"testing"
)

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"", "203.0.113.7", "203.0.113.007", "203.0.113.7:80", "2001:db8::7", "::ffff:203.0.113.7", "fe80::7%eth0", "203.0.113.7%z", "%", "unix:",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.HasSuffix(text, "%") || strings.Count(text, "%") > 1 {
			return // net/netip wants a zone where there is the sign of one, and takes that sign in it
		}
		var want netip.Addr
		if parsed, err := netip.ParseAddr(text); err == nil {
			want = parsed.WithZone("")
		}
		if got := parse([]byte(text)); got != want {
			t.Fatalf("%q is %v, want %v", text, got, want)
		}
	})
}
