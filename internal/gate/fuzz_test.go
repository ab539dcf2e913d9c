package gate

import (
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/keys"
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

// FuzzAuthorization holds what is read of Authorization to a model in other words.
func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{
		"", "Bearer k", "bearer  k ", "ApiKey k", "APIKEY k", "k", "Basic k", "Bearer", "Bearer ", " Bearer k", "Bearer\tk", "Bearerk", "Bearer k j", "ApiKey Bearer k",
	} {
		f.Add(seed)
	}
	ours := regexp.MustCompile(`(?si)^(?:bearer|apikey)(?: +(.*?))? *$`)
	f.Fuzz(func(t *testing.T, value string) {
		want := authn.Credential{}
		if m := ours.FindStringSubmatch(value); m != nil {
			want = authn.NewCredential([]byte(m[1]))
		} else if !strings.Contains(value, " ") {
			want = authn.NewCredential([]byte(value))
		}
		got := fromAuthorization([]byte(value), false)
		if got.Missing() && want.Missing() {
			return // of no bytes, or of none
		}
		assertSame(t, value, got, want)
	})
}

// FuzzRepeated holds what is made of a header that is repeated to a model: the one value that it has, empty ones aside.
func FuzzRepeated(f *testing.F) {
	for _, seed := range []string{"", "a", "a\na", "a\nb", "\na\n", "a\n\nb", "a\na\nb\na"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		var values [][]byte
		distinct := map[string]bool{}
		for line := range strings.SplitSeq(lines, "\n") {
			values = append(values, []byte(line))
			if line != "" {
				distinct[line] = true
			}
		}
		value, conflict := Only(values)
		switch {
		case conflict != (len(distinct) > 1), conflict && value != nil:
			t.Fatalf("%q: conflict %v, value %q", lines, conflict, value)
		case len(distinct) == 1 && !distinct[string(value)], len(distinct) == 0 && len(value) > 0:
			t.Fatalf("%q: the value is %q", lines, value)
		}
	})
}

func FuzzRequestID(f *testing.F) {
	for _, seed := range []string{"", "a", "A.b_c-9", "a b", "ä", strings.Repeat("x", 128), strings.Repeat("x", 129), "a\n"} {
		f.Add(seed)
	}
	fit := regexp.MustCompile(`\A[A-Za-z0-9._-]{1,128}\z`)
	f.Fuzz(func(t *testing.T, given string) {
		q := NewQuestion()
		defer q.Release()
		q.RequestID = []byte(given)
		got := string(q.ID())
		if !fit.MatchString(got) || fit.MatchString(given) != (got == given) {
			t.Fatalf("%q becomes %q", given, got)
		}
		if again := string(q.ID()); again != got {
			t.Fatalf("%q becomes %q, and then %q", given, got, again)
		}
	})
}

// FuzzAbridge looks for anything in what is logged of a requirement that is as long as the shortest key.
func FuzzAbridge(f *testing.F) {
	for _, seed := range []string{"", "api_key=ak_0123456789012345678901234567890", "a=b&c=d", strings.Repeat("a&", 30), "=", "a==b", "ak_0123456789012345678"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		abridged := abridge(query)
		for part := range strings.FieldsFuncSeq(abridged, func(c rune) bool { return c == '&' || c == '=' }) {
			if len(part) >= keys.MinImportedLen {
				t.Fatalf("%q is abridged to %q", query, abridged)
			}
		}
		const most = 21 * (2*keys.MinImportedLen + len("=&"))
		if len(abridged) > most {
			t.Fatalf("%q is abridged to %d bytes", query, len(abridged))
		}
	})
}
