package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// ociImage is what an OCI archive holds: https://github.com/opencontainers/image-spec.
type ociImage struct {
	// Digest is that of the manifest, by which registries know the image.
	Digest string
	Config config
	// Files are those of all layers by their paths, such as etc/ssl/certs/; directories end in a slash.
	Files map[string]file
}

type config struct {
	Created      string `json:"created"`
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       struct {
		User       string
		Entrypoint []string
		Cmd        []string
		Env        []string
		Volumes    map[string]any
		Labels     map[string]string
	} `json:"config"`
}

type file struct {
	*tar.Header

	Content []byte
}

type descriptor struct {
	Digest string `json:"digest"`
}

// open reads an archive with one image, and checks that its parts are those that their digests name.
func open(archive string) (*ociImage, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	parts, err := untar(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", archive, err)
	}
	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(parts["index.json"].Content, &index); err != nil {
		return nil, fmt.Errorf("read index.json: %w", err)
	}
	if len(index.Manifests) != 1 {
		return nil, fmt.Errorf("index.json names %d images, want 1", len(index.Manifests))
	}
	image := &ociImage{Digest: index.Manifests[0].Digest, Files: map[string]file{}}
	return image, image.read(parts)
}

func (i *ociImage) read(parts map[string]file) error {
	var manifest struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	if err := readJSON(parts, i.Digest, &manifest); err != nil {
		return err
	}
	if err := readJSON(parts, manifest.Config.Digest, &i.Config); err != nil {
		return err
	}
	for _, layer := range manifest.Layers {
		content, err := blob(parts, layer.Digest)
		if err != nil {
			return err
		}
		files, err := untarMaybeZipped(content)
		if err != nil {
			return fmt.Errorf("read layer %s: %w", layer.Digest, err)
		}
		for name, f := range files {
			i.Files[name] = f
		}
	}
	return nil
}

func readJSON(parts map[string]file, digest string, into any) error {
	content, err := blob(parts, digest)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("read %s: %w", digest, err)
	}
	return nil
}

func blob(parts map[string]file, digest string) ([]byte, error) {
	sum := strings.TrimPrefix(digest, "sha256:")
	f, ok := parts["blobs/sha256/"+sum]
	if !ok {
		return nil, fmt.Errorf("the archive has no blob %s", digest)
	}
	if is := sha256.Sum256(f.Content); hex.EncodeToString(is[:]) != sum {
		return nil, fmt.Errorf("blob %s holds something else", digest)
	}
	return f.Content, nil
}

func untarMaybeZipped(content []byte) (map[string]file, error) {
	if !bytes.HasPrefix(content, []byte{0x1f, 0x8b}) {
		return untar(bytes.NewReader(content))
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return untar(unzipped)
}

func untar(r io.Reader) (map[string]file, error) {
	files := map[string]file{}
	for reader := tar.NewReader(bufio.NewReader(r)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return nil, err
		}
		name := path.Clean(header.Name)
		if header.Typeflag == tar.TypeDir {
			name += "/"
		}
		files[name] = file{header, content}
	}
}
