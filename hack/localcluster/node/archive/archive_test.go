package archive

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// write returns the archive of an image whose program has the content.
func write(t *testing.T, content string) []byte {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "app")
	if err := os.WriteFile(binary, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (Image{Name: "localhost/app:1", Binary: binary, Args: []string{"serve"}, User: "65532:65532"}).Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func contents(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for reader := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

// decode reads the file into value.
func decode(t *testing.T, files map[string][]byte, name string, value any) {
	t.Helper()
	if err := json.Unmarshal(files[name], value); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func blob(digest string) string { return "blobs/sha256/" + digest[len("sha256:"):] }

func TestAnArchiveLeadsFromItsIndexToTheProgram(t *testing.T) {
	files := contents(t, write(t, "program"))
	var i index
	decode(t, files, "index.json", &i)
	if got := i.Manifests[0].Annotations[nameAnnotation]; got != "localhost/app:1" {
		t.Errorf("the image is named %q", got)
	}
	var m manifest
	decode(t, files, blob(i.Manifests[0].Digest), &m)
	var c config
	decode(t, files, blob(m.Config.Digest), &c)
	if c.Config.User != "65532:65532" || c.Config.Entrypoint[0] != "/app" || c.Config.Cmd[0] != "serve" {
		t.Errorf("the image runs %+v", c.Config)
	}
	if c.RootFS.DiffIDs[0] != m.Layers[0].Digest {
		t.Errorf("the configuration names the layer %s, the manifest %s", c.RootFS.DiffIDs[0], m.Layers[0].Digest)
	}
	if got := string(contents(t, files[blob(m.Layers[0].Digest)])["app"]); got != "program" {
		t.Errorf("the program is %q", got)
	}
}

func TestTheSameProgramGivesTheSameArchive(t *testing.T) {
	if !bytes.Equal(write(t, "program"), write(t, "program")) {
		t.Error("two archives of one program differ")
	}
	if bytes.Equal(write(t, "program"), write(t, "another")) {
		t.Error("the archives of two programs are equal")
	}
}

func TestAMissingProgramIsAnError(t *testing.T) {
	err := Image{Name: "localhost/app:1", Binary: filepath.Join(t.TempDir(), "app")}.Write(io.Discard)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want one that says that it is missing", err)
	}
}
