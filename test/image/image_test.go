// Package image tests the image as it was built: `make test-image` says by IMAGE where the archive is.
package image

import (
	"bytes"
	"crypto/x509"
	"debug/elf"
	"encoding/pem"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	program      = "apikey-operator"
	certificates = "etc/ssl/certs/ca-certificates.crt"
)

// maxSize bounds the archive: nodes pull it before a verifier starts.
const maxSize = 40 << 20

func archivePath(t *testing.T) string {
	t.Helper()
	path := os.Getenv("IMAGE")
	if path == "" {
		t.Fatal("IMAGE is not set: run make test-image")
	}
	return path
}

func openImage(t *testing.T) *ociImage {
	t.Helper()
	image, err := open(archivePath(t))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestTheImageHoldsOneProgramAndCertificatesAndNothingElse(t *testing.T) {
	want := []string{program, "etc/", "etc/ssl/", "etc/ssl/certs/", certificates}
	image := openImage(t)
	if got := slices.Sorted(maps.Keys(image.Files)); !slices.Equal(got, want) {
		t.Errorf("files are %q, want %q", got, want)
	}
	for name, f := range image.Files {
		if f.Uid != 0 || f.Gid != 0 || f.Mode&0o7022 != 0 {
			t.Errorf("%s belongs to %d:%d with mode %o, want root's, and nothing that others can write", name, f.Uid, f.Gid, f.Mode)
		}
	}
}

func TestTheImageRunsTheProgramAsAnOrdinaryUser(t *testing.T) {
	c := openImage(t).Config
	if c.OS != "linux" {
		t.Errorf("it is for %s, want linux", c.OS)
	}
	if c.Config.User != "65532:65532" {
		t.Errorf("user is %q, want 65532:65532", c.Config.User)
	}
	if !slices.Equal(c.Config.Entrypoint, []string{"/" + program}) || len(c.Config.Cmd) != 0 {
		t.Errorf("it runs %q %q, want /%s alone", c.Config.Entrypoint, c.Config.Cmd, program)
	}
	if len(c.Config.Volumes) != 0 {
		t.Errorf("it has volumes %v, want none: it writes no file", c.Config.Volumes)
	}
	for _, variable := range c.Config.Env {
		if !strings.HasPrefix(variable, "PATH=") {
			t.Errorf("it sets %q, want nothing that bears on the program", variable)
		}
	}
}

func TestTheProgramIsLinkedStatically(t *testing.T) {
	binary, err := elf.NewFile(bytes.NewReader(openImage(t).Files[program].Content))
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(binary.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("it asks for a dynamic linker")
	}
	if libraries, err := binary.ImportedLibraries(); err != nil || len(libraries) != 0 {
		t.Errorf("it asks for the libraries %q (%v), want none", libraries, err)
	}
}

func TestTheProgramSaysTheVersionThatTheImageIsLabelledWith(t *testing.T) {
	image := openImage(t)
	version := image.Config.Config.Labels["org.opencontainers.image.version"]
	if version == "" || version == "devel" {
		t.Fatalf("the label says version %q", version)
	}
	path := filepath.Join(t.TempDir(), program)
	if err := os.WriteFile(path, image.Files[program].Content, 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, "--version")
	command.Env = []string{} // as in the image
	if runtime.GOOS != "linux" {
		command = exec.Command("docker", "run", "--rm", "ghcr.io/apikey-operator/apikey-operator:"+version, "--version")
	}
	output, err := command.CombinedOutput()
	if want := program + " version " + version + "\n"; err != nil || string(output) != want {
		t.Errorf("--version prints %q (%v), want %q", output, err, want)
	}
}

func TestTheImageSaysWhereItComesFrom(t *testing.T) {
	labels := openImage(t).Config.Config.Labels
	for _, name := range []string{"title", "description", "source", "documentation", "licenses", "revision"} {
		if value := labels["org.opencontainers.image."+name]; value == "" || value == "unknown" {
			t.Errorf("label org.opencontainers.image.%s is %q", name, value)
		}
	}
}

func TestTheCertificatesAreWhereGoLooksForThem(t *testing.T) {
	rest, count := openImage(t).Files[certificates].Content, 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			t.Errorf("certificate %d: %v", count, err)
		}
		count++
	}
	if count < 50 {
		t.Errorf("there are %d certificates, want those of the common CAs", count)
	}
}

func TestTheImageIsSmall(t *testing.T) {
	info, err := os.Stat(archivePath(t))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxSize {
		t.Errorf("the archive has %d bytes, want at most %d", info.Size(), maxSize)
	}
}

func TestBuildingTheSameSourcesAgainGivesTheSameImage(t *testing.T) {
	first := openImage(t)
	epoch, err := time.Parse(time.RFC3339, first.Config.Created)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range first.Files {
		if !f.ModTime.Equal(epoch) {
			t.Errorf("%s is dated %s, and not as the image %s", name, f.ModTime, epoch)
		}
	}
	again, err := open(buildAgain(t, first.Config.Config.Labels["org.opencontainers.image.version"]))
	if err != nil {
		t.Fatal(err)
	}
	if again.Digest != first.Digest {
		t.Errorf("the second image is %s, want %s as the first", again.Digest, first.Digest)
	}
}

// buildAgain builds the image into another directory and returns the archive's path.
func buildAgain(t *testing.T, version string) string {
	t.Helper()
	command := exec.Command("hack/image.sh")
	command.Dir = "../.."
	command.Env = append(os.Environ(), "VERSION="+version, "OUT="+t.TempDir())
	output, err := command.Output()
	if err != nil {
		t.Fatalf("build the image again: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return lines[len(lines)-1]
}
