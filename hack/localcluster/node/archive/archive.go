// Package archive makes images of single static programs, as archives of the OCI image layout
// (https://github.com/opencontainers/image-spec/blob/main/image-layout.md), without an engine.
package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
	// nameAnnotation is where containerd looks for an image's full name.
	nameAnnotation = "io.containerd.image.name"
)

// Image is what is written.
type Image struct {
	// Name is the image's full name with a tag, such as localhost/app:1.
	Name string
	// Binary is a static program of this machine's architecture. It is the only file of the image, below its root.
	Binary string
	// Args are the arguments that it is given unless a container says otherwise.
	Args []string
	// User is who it runs as, such as 65532:65532.
	User string
}

// descriptor tells of a blob in the archive.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type config struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       struct {
		User       string   `json:"User,omitempty"`
		Entrypoint []string `json:"Entrypoint"`
		Cmd        []string `json:"Cmd,omitempty"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// Write writes the archive. The same program and name give the same bytes.
func (i Image) Write(to io.Writer) error {
	out := &writer{tar: tar.NewWriter(to)}
	layer := out.blob(layerType, i.layer)
	settings := config{Architecture: runtime.GOARCH, OS: "linux"}
	settings.Config.User = i.User
	settings.Config.Entrypoint = []string{"/" + filepath.Base(i.Binary)}
	settings.Config.Cmd = i.Args
	settings.RootFS.Type = "layers"
	settings.RootFS.DiffIDs = []string{layer.Digest}
	image := out.blob(manifestType, encoded(manifest{
		SchemaVersion: 2, MediaType: manifestType, Config: out.blob(configType, encoded(settings)), Layers: []descriptor{layer},
	}))
	image.Annotations = map[string]string{nameAnnotation: i.Name}
	out.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	out.named("index.json", encoded(index{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{image}}))
	if out.err != nil {
		return fmt.Errorf("write the image %s: %w", i.Name, out.err)
	}
	return out.tar.Close()
}

// layer is the file system: the program alone.
func (i Image) layer() ([]byte, error) {
	program, err := os.ReadFile(i.Binary)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	files := &writer{tar: tar.NewWriter(&layer), mode: 0o755}
	files.file(filepath.Base(i.Binary), program)
	if files.err != nil {
		return nil, files.err
	}
	if err := files.tar.Close(); err != nil {
		return nil, err
	}
	return layer.Bytes(), nil
}

// writer writes files to an archive until one fails.
type writer struct {
	tar  *tar.Writer
	mode int64
	err  error
}

// file adds a file. Without a mode of the writer's it is one that everybody reads.
func (w *writer) file(name string, content []byte) {
	if w.err != nil {
		return
	}
	header := &tar.Header{Name: name, Size: int64(len(content)), Mode: 0o444}
	if w.mode != 0 {
		header.Mode = w.mode
	}
	if w.err = w.tar.WriteHeader(header); w.err == nil {
		_, w.err = w.tar.Write(content)
	}
}

// named adds a file with what content returns.
func (w *writer) named(name string, content func() ([]byte, error)) {
	data, err := content()
	if w.err == nil {
		w.err = err
	}
	w.file(name, data)
}

// blob adds what content returns under its digest.
func (w *writer) blob(mediaType string, content func() ([]byte, error)) descriptor {
	data, err := content()
	if w.err == nil {
		w.err = err
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	w.file("blobs/sha256/"+digest, data)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + digest, Size: len(data)}
}

// encoded returns what encodes the value.
func encoded(value any) func() ([]byte, error) {
	return func() ([]byte, error) { return json.Marshal(value) }
}
