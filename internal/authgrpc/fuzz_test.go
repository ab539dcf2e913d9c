package authgrpc

import (
	"bytes"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// placeholder stands for the good key in what the fuzzer makes up; it is as long, so that lengths in a message stay right.
func (f *fixture) placeholder() []byte {
	return bytes.Repeat([]byte("K"), len(f.key))
}

// FuzzCheck sends whatever for a message over a real connection. It must never panic, answer with an error, or let through what
// did not hold the key.
func FuzzCheck(f *testing.F) {
	fix := newFixture(f, everyPlace, func(s *settings) { s.TrustedProxies = []string{"10.0.0.0/8"} })
	placeholder := fix.placeholder()
	for _, seed := range []*authv3.CheckRequest{
		{},
		fix.question("x-api-key", "KEY", "x-forwarded-for", "203.0.113.7, 10.0.0.1", "x-request-id", "\t"),
		fix.rawQuestion("x-api-key", "KEY", "X-API-Key", "\xff"),
		fix.question("authorization", "Bearer KEY", "cookie", "api_key=KEY; a=b"),
		withPath(fix.question(), "/../?api_key="+fix.key+"#"),
		withBody(fix.question(), "", []byte(`{"api_key":"`+fix.key+`"}`)),
		demanding(fix.question("x-api-key", "KEY"), "permission", "read", "requirement", "rule=GET:read&cache=1", "a&b", "%"),
	} {
		raw, err := proto.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.ReplaceAll(raw, []byte(fix.key), placeholder))
	}
	f.Add([]byte("\x0a\x00"))
	f.Add([]byte("\xff\xff\xff\xff"))
	conn := fix.serve(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		sent := bytes.ReplaceAll(raw, placeholder, []byte(fix.key))
		response := checkRaw(t, conn, sent)
		switch reason := reasonOf(response); {
		case reason == "allowed" && bytes.Contains(sent, []byte(fix.key)):
		case reason != "allowed" && response.GetStatus().GetCode() != 0 && response.GetDeniedResponse().GetStatus().GetCode() >= 401:
		default:
			t.Fatalf("%q is answered with %v", raw, response)
		}
		if fix.metrics.panicked() > 0 {
			t.Fatalf("%q makes it panic:\n%s", raw, fix.log)
		}
		if strings.Contains(fix.log.String(), fix.key) {
			t.Fatalf("%q puts the key into the log", raw)
		}
	})
}

// FuzzHeaders finds a header both in a map and in a list, as a plain search would.
func FuzzHeaders(f *testing.F) {
	f.Add("x-api-key", "a", "X-API-KEY", "b", "X-API-Key")
	f.Add("cookie", "", "cookie", "a=b", "Cookie")
	f.Add("x-api-\u212aey", "a", ":path", "\xff", "X-API-Key")
	f.Fuzz(func(t *testing.T, firstName, first, secondName, second, name string) {
		if strings.ContainsFunc(name, func(r rune) bool { return r > '~' }) {
			return // no name that is asked for
		}
		list := []*corev3.HeaderValue{{Key: firstName, RawValue: []byte(first)}, {Key: secondName, Value: second}}
		var h headers
		h.of(&authv3.AttributeContext_HttpRequest{HeaderMap: &corev3.HeaderMap{Headers: list}})
		var want []string
		for _, header := range list {
			value := header.GetValue() + string(header.GetRawValue())
			if asciiLower(header.GetKey()) == asciiLower(name) && value != "" {
				want = append(want, value)
			}
		}
		assertValues(t, "list", h.PeekAll(name), want)

		sent := map[string]string{firstName: first, secondName: second}
		h.of(&authv3.AttributeContext_HttpRequest{Headers: sent})
		want = nil
		if value := sent[asciiLower(name)]; value != "" {
			want = []string{value}
		}
		assertValues(t, "map", h.PeekAll(name), want)
	})
}

func asciiLower(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	return string(lower)
}

func assertValues(t *testing.T, form string, got [][]byte, want []string) {
	t.Helper()
	if string(bytes.Join(got, []byte("\n"))) != strings.Join(want, "\n") || len(got) != len(want) {
		t.Fatalf("%s: %q, want %q", form, got, want)
	}
}

// FuzzRequirement makes a requirement of one context extension. Whatever stands in it, it is read as that one parameter: it is
// in force or a mistake, but never another or a second one.
func FuzzRequirement(f *testing.F) {
	f.Add("tenant", "acme")
	f.Add("scope.a", "b&tenant=c")
	f.Add("tenant=a&b", "%26")
	f.Add("permission", "read+write;x#y")
	f.Fuzz(func(t *testing.T, name, value string) {
		if name == requirementName {
			return
		}
		text := string((&writer{}).requirement(map[string]string{name: value}))
		if strings.Count(text, "=") != 1 || strings.Contains(text, "&") {
			t.Fatalf("%q=%q becomes %q, which is not one parameter", name, value, text)
		}
		_, err := authn.ParseRequirement(text)
		if err == nil && (strings.ContainsAny(value, "&=%+#; \x00") || value == "") {
			t.Fatalf("%q=%q is in force, though no value has such a character", name, value)
		}
	})
}
