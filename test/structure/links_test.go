package structure

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// fenced are blocks of code: neither links nor headings stand in them. Nor do links in spans of code, and in what HTML
	// hides.
	fenced = regexp.MustCompile("(?s)\n *```.*?\n *```")
	hidden = regexp.MustCompile("(?s)`[^`\n]*`|<!--.*?-->")
	// linked finds the targets of links and pictures.
	linked = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	// heading and named are what anchors lead to.
	heading  = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *#*$`)
	named    = regexp.MustCompile(`<a id="([^"]+)"></a>`)
	unwanted = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	linkText = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
)

// documents are the README and all that is below docs, by their paths from the root.
func documents(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md"}
	err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			found = append(found, strings.TrimPrefix(filepath.ToSlash(path), "../../"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// anchors are the places of a document that a link can name, as GitHub derives them from headings.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range named.FindAllStringSubmatch(text, -1) {
		found[match[1]] = true
	}
	for _, match := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		plain := linkText.ReplaceAllString(match[1], "$1")
		slug := strings.ReplaceAll(unwanted.ReplaceAllString(strings.ToLower(plain), ""), " ", "-")
		unique := slug
		for n := 1; found[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", slug, n)
		}
		found[unique] = true
	}
	return found
}

func TestEveryLinkInTheDocsLeadsSomewhere(t *testing.T) {
	links := 0
	places := map[string]map[string]bool{} // by document, since many links lead to few
	for _, name := range documents(t) {
		text, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range linked.FindAllStringSubmatch(hidden.ReplaceAllString(fenced.ReplaceAllString(string(text), ""), ""), -1) {
			if strings.Contains(match[1], "://") || strings.HasPrefix(match[1], "mailto:") {
				continue
			}
			links++
			if problem := follow(name, match[1], places); problem != "" {
				t.Errorf("%s: the link %s leads nowhere: %s", name, match[1], problem)
			}
		}
	}
	const least = 100
	if links < least {
		t.Errorf("%d links were found, want %d at least", links, least)
	}
}

// follow says what is wrong with a link in a document; empty if it leads somewhere.
func follow(document, link string, places map[string]map[string]bool) string {
	path, anchor, anchored := strings.Cut(link, "#")
	target := document
	if path != "" {
		target = filepath.Join(filepath.Dir(document), path)
	}
	if strings.HasPrefix(target, "..") {
		return "it leaves the repository"
	}
	if !anchored {
		if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
			return "there is no " + target
		}
		return ""
	}
	if places[target] == nil {
		text, err := os.ReadFile(filepath.Join("../..", target))
		if err != nil {
			return "there is no " + target
		}
		places[target] = anchors(string(text))
	}
	if !places[target][anchor] {
		return target + " has no such place"
	}
	return ""
}

// TestEveryDocumentIsFoundFromTheIndex looks that docs/README.md lists all that is below docs.
func TestEveryDocumentIsFoundFromTheIndex(t *testing.T) {
	text, err := os.ReadFile("../../docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"README.md": true, "docs/README.md": true}
	for _, match := range linked.FindAllStringSubmatch(string(text), -1) {
		path, _, _ := strings.Cut(match[1], "#")
		listed[filepath.ToSlash(filepath.Join("docs", path))] = true
	}
	for _, name := range documents(t) {
		if !listed[name] {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
}
