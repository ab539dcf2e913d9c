// Package audit watches a stack and then searches all that was written for the keys that were issued in it.
package audit

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
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// patience bounds the wait for the watch events of a first key.
const patience = 60 * time.Second

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
	"percent-encoded":             func(s string) string { return EscapeEach(s, "%%%02X") },
	"percent-encoded, lower case": func(s string) string { return EscapeEach(s, "%%%02x") },
	"as numbers":                  func(s string) string { return strings.TrimSuffix(EscapeEach(s, "%d "), " ") },
}

// EscapeEach writes each byte of a text in a format, such as %%%02X.
func EscapeEach(s, format string) string {
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

// Search searches everything that was written below a stack's directory for logs while the witness watched for
// the keys that were issued meanwhile: all logs, every state of every ApiKey, all events, all refusals and the
// metrics of each process that still runs, by its name. It first makes sure that it would find them, and that
// what it searches is really there.
func (w *Witness) Search(ctx context.Context, s *stack.Stack, metricsAddresses map[string]string, report io.Writer) error {
	randomParts, err := w.awaitKeys(ctx)
	if err != nil {
		return fmt.Errorf("search for keys: %w", err)
	}
	wanted := newSearch(randomParts)
	secrets, err := s.Kubectl(ctx, "get", "secrets", "--all-namespaces", "--output=json")
	if err != nil {
		return err
	}
	if len(wanted.in(secrets)) == 0 {
		return errors.New("search for keys: none is found even in the Secrets, so the search proves nothing")
	}
	if err := saveMetrics(ctx, s.LogDir(), metricsAddresses); err != nil {
		return fmt.Errorf("search for keys: %w", err)
	}
	searched, files, problems := 0, 0, []error{}
	paths, err := filepath.Glob(filepath.Join(s.LogDir(), "*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched, files = searched+len(content), files+1
		problems = append(problems, wanted.inspect(filepath.Base(path), string(content)))
	}
	_, err = fmt.Fprintf(report, "searched %d kB in %d files for pieces of %d issued keys\n", searched/1000, files, len(randomParts))
	return errors.Join(append(problems, err)...)
}

// awaitKeys waits until there is a key to search for, and returns the random parts of all.
func (w *Witness) awaitKeys(ctx context.Context) (randomParts map[string]owner, err error) {
	err = stack.Await(ctx, "a key to search for", patience, func(context.Context) error {
		var err error
		if randomParts, err = w.randomParts(); err == nil && len(randomParts) == 0 {
			err = errors.New("none was issued, so the search would prove nothing")
		}
		return err
	})
	return randomParts, err
}

// saveMetrics puts the metrics of processes beside the logs.
func saveMetrics(ctx context.Context, dir string, addresses map[string]string) error {
	for name, address := range addresses {
		text, err := stack.Fetch(ctx, "http://"+address+"/metrics")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".metrics"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
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
