package e2e

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// sliceLength is how much of a key's random part must not be found anywhere: 12 of its 49 characters. A hint
// shows 4.
const sliceLength = 12

// spellings are the forms in which a slice of a key could have been written. That of base64 is found
// whatever stood before the slice: of three slices in a row one begins where a group of base64 does.
var spellings = map[string]func(slice string) string{
	"as it is":                    func(s string) string { return s },
	"in base64":                   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"in base64 for URLs":          func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
	"in hexadecimal":              func(s string) string { return hex.EncodeToString([]byte(s)) },
	"in upper-case hexadecimal":   func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"percent-encoded":             func(s string) string { return escapeEach(s, "%%%02X") },
	"percent-encoded, lower case": func(s string) string { return escapeEach(s, "%%%02x") },
	"as numbers":                  func(s string) string { return strings.TrimSuffix(escapeEach(s, "%d "), " ") },
}

func escapeEach(s, format string) string {
	var escaped strings.Builder
	for i := range len(s) {
		_, _ = fmt.Fprintf(&escaped, format, s[i])
	}
	return escaped.String()
}

// finding is a piece of a key that stands where it should not.
type finding struct {
	of       owner
	spelling string
	offset   int
}

// search holds every slice of some keys in every spelling, by the length of the written form.
type search struct {
	wanted map[int]map[string]finding
}

func newSearch(randomParts map[string]owner) search {
	s := search{wanted: map[int]map[string]finding{}}
	for random, of := range randomParts {
		for start := range len(random) - sliceLength + 1 {
			slice := random[start : start+sliceLength]
			for name, spell := range spellings {
				written := spell(slice)
				if s.wanted[len(written)] == nil {
					s.wanted[len(written)] = map[string]finding{}
				}
				s.wanted[len(written)][written] = finding{of: of, spelling: name}
			}
		}
	}
	return s
}

// in gives the first place of each spelling of each owner's keys in a text.
func (s search) in(text string) []finding {
	seen := map[finding]bool{}
	var findings []finding
	for length, wanted := range s.wanted {
		for start := range max(len(text)-length+1, 0) {
			found, ok := wanted[text[start:start+length]]
			if !ok || seen[found] {
				continue
			}
			seen[found] = true
			found.offset = start
			findings = append(findings, found)
		}
	}
	return findings
}

// audit searches everything that was written while the environment ran for the keys that were issued in it:
// all logs, every state of every ApiKey, all events, all refusals and the metrics of each process. It first
// makes sure that it would find them, and that what it searches is really there.
func (e *environment) audit(ctx context.Context, report io.Writer) error {
	randomParts, err := e.issuedKeys(ctx)
	if err != nil {
		return fmt.Errorf("search for keys: %w", err)
	}
	s := newSearch(randomParts)
	secrets, err := e.Kubectl(ctx, "get", "secrets", "--all-namespaces", "--output=json")
	if err != nil {
		return err
	}
	if len(s.in(secrets)) == 0 {
		return errors.New("search for keys: none is found even in the Secrets, so the search proves nothing")
	}
	if err := e.saveMetrics(ctx); err != nil {
		return fmt.Errorf("search for keys: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(e.LogDir(), "*"))
	if err != nil {
		return err
	}
	searched := 0
	var problems []error
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched += len(content)
		problems = append(problems, s.inspect(filepath.Base(path), string(content)))
	}
	_, err = fmt.Fprintf(report, "searched %d kB in %d files for pieces of %d issued keys\n", searched/1000, len(files), len(randomParts))
	return errors.Join(append(problems, err)...)
}

// issuedKeys waits until there is a key to search for, and returns the random parts of all.
func (e *environment) issuedKeys(ctx context.Context) (randomParts map[string]owner, err error) {
	err = stack.Await(ctx, "a key to search for", patience, func(context.Context) error {
		var err error
		if randomParts, err = e.witness.randomParts(); err == nil && len(randomParts) == 0 {
			err = errors.New("none was issued, so the search would prove nothing")
		}
		return err
	})
	return randomParts, err
}

// inspect says what is wrong with one file.
func (s search) inspect(name, content string) error {
	problems := []error{checkSearchable(name, content), checkUnbroken(name, content)}
	for _, f := range s.in(content) {
		problems = append(problems, fmt.Errorf("a piece of the key of ApiKey %s/%s stands %s at byte %d of %s",
			f.of.namespace, f.of.name, f.spelling, f.offset, name))
	}
	return errors.Join(problems...)
}

// saveMetrics puts the metrics of every manager and verifier that still runs beside the logs.
func (e *environment) saveMetrics(ctx context.Context) error {
	for name, address := range e.metricsAddresses() {
		text, err := stack.Fetch(ctx, "http://"+address+"/metrics")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(e.LogDir(), name+".metrics"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (e *environment) metricsAddresses() map[string]string {
	addresses := map[string]string{}
	add := func(p *stack.Process, address string) {
		select {
		case <-p.Exited():
		default:
			addresses[p.Name] = address
		}
	}
	for _, m := range e.managers {
		add(m.Process, m.Metrics)
	}
	for _, v := range e.verifiers {
		add(v.Process, v.Metrics)
	}
	return addresses
}

// mustContain says for which files an empty or a foreign content would make the search worthless, and what
// shows that they hold what they should.
var mustContain = map[string]string{
	objectsFile:         `"kind":"ApiKey"`,
	"manager*.log":      `"level":"DEBUG`,
	"manager*.metrics":  "apikey_operator_credentials_published_total",
	"verifier*.log":     "starting the verifier",
	"verifier*.metrics": "apikey_operator_verifier_decisions_total",
}

func checkSearchable(name, content string) error {
	for pattern, want := range mustContain {
		matches, err := filepath.Match(pattern, name)
		if err != nil {
			return err
		}
		if matches && !strings.Contains(content, want) {
			return fmt.Errorf("%s does not contain %s, so searching it proves nothing", name, want)
		}
	}
	return nil
}

// brokenSigns are what a program writes down that has done what it must never do.
var brokenSigns = []string{"WARNING: DATA RACE", "Observed a panic", "panic: "}

func checkUnbroken(name, content string) error {
	for _, sign := range brokenSigns {
		if at := strings.Index(content, sign); at >= 0 {
			return fmt.Errorf("%s says %q: %.2000s", name, sign, content[at:])
		}
	}
	return nil
}

// TestTheSearchFindsAPieceOfAKeyInEverySpelling is what the search's silence rests on.
func TestTheSearchFindsAPieceOfAKeyInEverySpelling(t *testing.T) {
	t.Parallel()
	const random = "9fGh31kLmN0pQrStUvWxYz7aBcDeF2gHiJkLmNoPqRsTuVwXy"
	of := owner{"team", "reports", "uid"}
	s := newSearch(map[string]owner{random: of})

	for name, text := range map[string]string{
		"the whole key":                 "the key is sk_live_" + random + ".",
		"its beginning":                 `{"key":"sk_live_` + random[:12] + `"}`,
		"its middle":                    "GET /x?k=" + random[17:29] + " HTTP/1.1",
		"its end":                       "..." + random[len(random)-12:],
		"a Secret's data":               base64.StdEncoding.EncodeToString([]byte("sk_live_" + random)),
		"base64 one byte further":       base64.StdEncoding.EncodeToString([]byte("_sk_live_" + random)),
		"base64 two bytes further":      base64.StdEncoding.EncodeToString([]byte("__sk_live_" + random)),
		"base64 for URLs":               base64.RawURLEncoding.EncodeToString([]byte("?>" + random)),
		"a credential for basic":        base64.StdEncoding.EncodeToString([]byte("user:" + random)),
		"hexadecimal":                   hex.EncodeToString([]byte("x" + random)),
		"a dump of bytes in upper case": strings.ToUpper(hex.EncodeToString([]byte(random[:12]))),
		"percent-encoded":               escapeEach(random, "%%%02X"),
		"a slice of bytes printed":      fmt.Sprint([]byte("sk_live_" + random)),
	} {
		t.Run(name, func(t *testing.T) {
			found := s.in(strings.Repeat("noise ", 100) + text + strings.Repeat(" noise", 100))
			if len(found) == 0 {
				t.Fatal("nothing was found")
			}
			if found[0].of != of {
				t.Errorf("found a piece of %v", found[0].of)
			}
		})
	}
	for name, text := range map[string]string{
		"a hint":                           "sk_live_" + random[:4] + "…",
		"eleven characters":                random[5:16],
		"the hash of the key":              "v1:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
		"the key's characters in disorder": random[12:23] + random[:11],
	} {
		t.Run(name, func(t *testing.T) {
			if found := s.in(text); len(found) > 0 {
				t.Errorf("found %v", found)
			}
		})
	}
}
