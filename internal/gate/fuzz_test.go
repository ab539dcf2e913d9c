package gate

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

func FuzzQueryCredential(f *testing.F) {
	for _, seed := range []string{
		"", "https://a.test/x?api_key=k", "https://a.test/?a=b&api_key=k&api_key=k", "?api%5Fkey=%6b", "?api_key=%", "?api_key=a+b#c",
		"//?&&=&api_key", "https://[::1]:80/?api_key=a;b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, rawURL string) {
		got := fromQuery([]byte(rawURL), []byte("api_key"))
		withoutFragment, _, _ := strings.Cut(rawURL, "#")
		_, query, _ := strings.Cut(withoutFragment, "?")
		if strings.Contains(query, ";") {
			return // net/url refuses semicolons, which to us are letters
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			return // something elsewhere is encoded wrongly
		}
		// The model: what net/url reads, less what is empty.
		var want []byte
		for _, v := range values["api_key"] {
			if v == "" {
				continue
			}
			if want != nil && v != string(want) {
				assertSame(t, rawURL, got, fromValue(nil, true))
				return
			}
			want = []byte(v)
		}
		assertSame(t, rawURL, got, fromValue(want, false))
	})
}

func FuzzCookies(f *testing.F) {
	for _, seed := range []string{
		"", "api_key=k", "a=b; api_key=k; c", `api_key="k"`, "api_key=k;api_key=j", "api_key", ";;=;", "api_key=a=b", ` api_key = k `,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := fromCookies([][]byte{[]byte(header)}, []byte("api_key"))
		parsed, err := http.ParseCookie(header)
		if err != nil {
			return // net/http is stricter with what other cookies may hold
		}
		var want []byte
		for _, c := range parsed {
			if c.Name != "api_key" || c.Value == "" {
				continue
			}
			if strings.TrimSpace(c.Value) != c.Value {
				return // no cookie's value has spaces around it; net/http keeps them
			}
			if want != nil && c.Value != string(want) {
				assertSame(t, header, got, fromValue(nil, true))
				return
			}
			want = []byte(c.Value)
		}
		assertSame(t, header, got, fromValue(want, false))
	})
}

func assertSame(t *testing.T, input string, got, want authn.Credential) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q gives another credential than the model", input)
	}
}
