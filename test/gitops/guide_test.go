package gitops

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ymlBlock is a manifest, or a part of one, of another project's kind in the docs.
var ymlBlock = regexp.MustCompile("(?s)```yml\n(.*?)```")

// TestTheGuideShowsTheExamplesAsTheyAre holds what docs/gitops.md shows to the files that other tests use.
func TestTheGuideShowsTheExamplesAsTheyAre(t *testing.T) {
	t.Parallel()
	var examples []string
	err := fs.WalkDir(os.DirFS("../../docs/examples"), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(filepath.Join("../../docs/examples", path))
		examples = append(examples, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../../docs/gitops.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := ymlBlock.FindAllStringSubmatch(string(guide), -1)
	const least = 4
	if len(blocks) < least {
		t.Errorf("%d blocks were found, want %d at least", len(blocks), least)
	}
	for _, block := range blocks {
		if !containsAny(examples, block[1]) {
			t.Errorf("no example holds this as it is shown:\n%s", block[1])
		}
	}
}

func containsAny(texts []string, part string) bool {
	for _, text := range texts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
