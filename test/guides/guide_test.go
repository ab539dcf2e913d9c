package guides

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// docsDir holds the guides' directory.
const docsDir = "../../docs"

// block is a fenced block of a guide. What stands behind the opening fence is its language and, after a blank, a name by
// which a test finds it:
//
//	```yaml protected-route
//
// Blocks of yaml are objects that the API server must take; what is not for it, such as a part of a proxy's
// configuration, is yml. What begins with "$ " in blocks of console is run where a test asks for it.
type block struct {
	guide    string // the file's name
	line     int    // of the opening fence, from 1
	language string
	name     string
	text     string
}

// guide is a file of docs with its blocks.
type guide struct {
	name   string
	blocks []block
}

// readGuide reads a file below docs, such as guides/traefik.md or ../README.md.
func readGuide(t *testing.T, name string) *guide {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docsDir, name))
	if err != nil {
		t.Fatal(err)
	}
	g := &guide{name: filepath.Base(name)}
	var open *block
	var fence string
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case open == nil && strings.HasPrefix(trimmed, "```"):
			fence = line[:len(line)-len(trimmed)] + "```"
			language, name, _ := strings.Cut(strings.Trim(trimmed, "`"), " ")
			open = &block{guide: g.name, line: i + 1, language: language, name: strings.TrimSpace(name)}
		case open != nil && line == fence:
			g.blocks = append(g.blocks, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, strings.TrimSuffix(fence, "```")) + "\n"
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block has no end", g.name, open.line)
	}
	return g
}

// block is the only one of a language and a name.
func (g *guide) block(t *testing.T, language, name string) block {
	t.Helper()
	found := slices.DeleteFunc(slices.Clone(g.blocks), func(b block) bool { return b.language != language || b.name != name })
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks that begin with ```%s %s, want one", g.name, len(found), language, name)
	}
	return found[0]
}

// of are the blocks of a language, in their order.
func (g *guide) of(language string) []block {
	return slices.DeleteFunc(slices.Clone(g.blocks), func(b block) bool { return b.language != language })
}

// allGuides are the names of the guides, for readGuide.
func allGuides(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(docsDir, "guides", "*.md"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no guides were found below %s: %v", docsDir, err)
	}
	for i, path := range paths {
		paths[i] = filepath.Join("guides", filepath.Base(path))
	}
	return paths
}
