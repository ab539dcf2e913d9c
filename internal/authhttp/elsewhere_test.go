package authhttp

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/index"
)

// What went wrong in other verifiers, in the form that it would have here.

// told is what one dialect's proxy tells of a request, where the key is looked for besides.
type told struct {
	target                   string // with what a route demands
	method, url, host, given string // headers; empty where the request line has it
}

// tellers are the dialects that take the method from a header.
var tellers = map[string]told{
	"nginx":   {"/auth/nginx?rule=GET:read&rule=DELETE:admin", "X-Original-Method", "X-Original-Url", "", "X-Real-Ip"},
	"forward": {"/auth/forward?rule=GET:read&rule=DELETE:admin", "X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host", "X-Forwarded-For"},
	"envoy":   {"/auth/envoy/rule=GET:admin&rule=DELETE:admin/x", "", "", "", "X-Forwarded-For"},
}

// TestAHeaderOfAnotherProxyIsNeverTheSecondChoice is what tinyauth 5.0.3 and 5.2.0 mended
// (https://github.com/tinyauthapp/tinyauth/issues/706, https://github.com/tinyauthapp/tinyauth/pull/1089): where the header of
// one proxy was missing or empty, the same was taken from that of another, which comes from the client.
func TestAHeaderOfAnotherProxyIsNeverTheSecondChoice(t *testing.T) {
	for name, own := range tellers {
		for other, foreign := range tellers {
			if other == name || foreign.method == "" {
				continue
			}
			forged := []string{foreign.method, "GET", foreign.url, "/?api_key=KEY", foreign.given, "203.0.113.7", "X-Http-Method-Override", "GET"}
			if foreign.given == own.given {
				forged[4] = "X-Real-Ip"
			}
			for state, headers := range map[string][]string{
				"missing": nil, "empty": {own.method, "", own.url, "", own.given, ""},
				"twice": {own.method, "DELETE", own.method, "PUT", own.url, "/a", own.url, "/b", own.given, "x", own.given, "y"},
			} {
				if own.method == "" && state != "missing" {
					headers = headers[len(headers)-2:]
				}
				t.Run(fmt.Sprintf("%s, its own %s, those of %s forged", name, state, other), func(t *testing.T) {
					f := newFixture(t, everyPlace)
					all := append(append([]string{}, headers...), forged...)
					for i := range all {
						all[i] = replaceKey(all[i], f.key)
					}
					if got := reasonOf(f.ask(t, own.target, append(all, "X-API-Key", f.key)...)); got != "permission_denied" {
						t.Errorf("with the method forged, the reason is %q", got)
					}
					if got := reasonOf(f.ask(t, own.target, all...)); got != "missing_credential" {
						t.Errorf("with the key in another's URL, the reason is %q", got)
					}
					f.record.Networks = exampleNetworks
					f.set(t, f.record)
					if got := reasonOf(f.ask(t, own.target, append(all, "X-API-Key", f.key)...)); got != "address_not_allowed" {
						t.Errorf("with the address forged, the reason is %q", got)
					}
				})
			}
		}
	}
}

// TestAnAllowListIsOfNetworks holds that neither whole addresses alone match, nor texts that begin alike.
func TestAnAllowListIsOfNetworks(t *testing.T) {
	networks := index.OnlyFrom(netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8:1::/48"))
	for address, want := range map[string]string{
		"10.1.0.0": "allowed", "10.1.255.255": "allowed", "10.1.2.3": "allowed", "192.0.2.1": "allowed", "2001:db8:1:ffff::1": "allowed",
		"2001:DB8:1::a": "allowed", "2001:0db8:0001::1": "allowed", "::ffff:10.1.2.3": "allowed", "::ffff:a01:203": "allowed",

		"10.10.0.1": "", "10.11.0.1": "", "10.2.0.1": "", "110.1.0.1": "", "1.10.1.0": "", "192.0.2.10": "", "192.0.2.11": "", "192.0.2.100": "",
		"2001:db8:10::1": "", "2001:db8:11::1": "", "2001:db8::1": "", "::10.1.2.3": "", "10.1.2": "", "10.1": "", "10.1.2.3.4": "", "10.1.2.3.evil.test": "",
		"10.1.2.3:80": "", "[2001:db8:1::1]": "", "10.1.2.3/16": "", "0x0a010203": "", "167838211": "", "012.1.2.3": "", "10.1.2.3 ": "allowed", "evil 10.1.2.3": "",
	} {
		if want == "" {
			want = "address_not_allowed"
		}
		for name, own := range map[string]told{
			"nginx": {target: "/auth/nginx", given: "X-Real-Ip"}, "forward": {target: "/auth/forward", given: "X-Forwarded-For"},
			"envoy": {target: "/auth/envoy/-/", given: "X-Forwarded-For"},
		} {
			f := newFixture(t)
			f.record.Networks = networks
			f.set(t, f.record)
			if got := reasonOf(f.ask(t, own.target, "X-API-Key", f.key, own.given, address)); got != want {
				t.Errorf("%s: %q: the reason is %q, want %q", name, address, got, want)
			}
		}
	}
}
