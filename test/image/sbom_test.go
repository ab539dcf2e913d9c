package image

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestTheListOfPartsNamesTheModulesThatTheProgramIsMadeOf(t *testing.T) {
	binary := openImage(t).Files[program].Content
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"std@" + info.GoVersion}
	for _, module := range info.Deps {
		want = append(want, module.Path+"@"+module.Version)
	}
	got := listedParts(t)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("listed are\n%s\nand the program is made of\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// listedParts are the components of the SBOM beside the archive, as NAME@VERSION.
func listedParts(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(strings.TrimSuffix(archivePath(t), ".tar") + ".cdx.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatal(err)
	}
	if list.BOMFormat != "CycloneDX" {
		t.Errorf("the list is in the format %q, want CycloneDX", list.BOMFormat)
	}
	var parts []string
	for _, c := range list.Components {
		parts = append(parts, c.Name+"@"+c.Version)
	}
	return parts
}
