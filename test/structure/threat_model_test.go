package structure

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	declaredTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	namedTest    = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)\\w+)`")
)

// TestEveryTestThatTheThreatModelNamesExists, as a claim that no test shows is only a hope.
func TestEveryTestThatTheThreatModelNamesExists(t *testing.T) {
	declared := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range declaredTest.FindAllSubmatch(text, -1) {
			declared[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	named := namedTest.FindAllSubmatch(text, -1)
	const least = 50
	if len(named) < least {
		t.Errorf("%d tests are named, want %d at least", len(named), least)
	}
	for _, match := range named {
		if name := string(match[1]); !declared[name] {
			t.Errorf("docs/threat-model.md names %s, and there is none", name)
		}
	}
}
