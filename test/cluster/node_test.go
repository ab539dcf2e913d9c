package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A node is a cluster of one node for the length of the tests.
type node interface {
	// up starts it, empty, and returns the path of the administrator's kubeconfig.
	up(ctx context.Context) (kubeconfig string, err error)
	// load makes the images of archives known to it.
	load(ctx context.Context, archives ...string) error
	// pack makes an archive of an image of one static program, with the name localhost/NAME:test, and returns its path.
	pack(ctx context.Context, name, program string) (archive string, err error)
}

// localNode is the one of hack/build-node.sh, which needs no container engine.
type localNode struct{ program, dir string }

func (n localNode) up(ctx context.Context) (string, error) {
	output, err := run(ctx, "", n.program, "up", "--dir", n.clusterDir(), "--detach")
	return strings.TrimSpace(output), err
}

func (n localNode) clusterDir() string { return filepath.Join(n.dir, "node") }

func (n localNode) load(ctx context.Context, archives ...string) error {
	_, err := run(ctx, "", n.program, append([]string{"import", "--dir", n.clusterDir()}, archives...)...)
	return err
}

func (n localNode) pack(ctx context.Context, name, program string) (string, error) {
	archive := filepath.Join(n.dir, name+".tar")
	_, err := run(ctx, "", n.program, "archive", "--name", imageName(name), "--out", archive, "--user", "65532:65532", program)
	return archive, err
}

// kindNode is one of kind, where docker is, with a name that no other cluster has.
type kindNode struct{ dir, name string }

func (k kindNode) up(ctx context.Context) (string, error) {
	kubeconfig := filepath.Join(k.dir, "kubeconfig")
	_, err := run(ctx, "", "kind", "create", "cluster", "--name", k.name, "--kubeconfig", kubeconfig, "--wait", "120s")
	return kubeconfig, err
}

func (k kindNode) load(ctx context.Context, archives ...string) error {
	for _, archive := range archives {
		if _, err := run(ctx, "", "kind", "load", "image-archive", archive, "--name", k.name); err != nil {
			return err
		}
	}
	return nil
}

func (k kindNode) pack(ctx context.Context, name, program string) (string, error) {
	dir, err := os.MkdirTemp(k.dir, name)
	if err != nil {
		return "", err
	}
	base := filepath.Base(program)
	dockerfile := fmt.Sprintf("FROM scratch\nCOPY --chmod=0755 %[1]s /%[1]s\nUSER 65532:65532\nENTRYPOINT [\"/%[1]s\"]\n", base)
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		return "", err
	}
	if err := copyFile(program, filepath.Join(dir, base)); err != nil {
		return "", err
	}
	if _, err := run(ctx, "", "docker", "build", "--quiet", "--tag", imageName(name), dir); err != nil {
		return "", err
	}
	archive := filepath.Join(k.dir, name+".tar")
	_, err = run(ctx, "", "docker", "save", "--output", archive, imageName(name))
	return archive, err
}

func imageName(name string) string { return "localhost/" + name + ":test" }

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o700)
}

// run runs a program in the project's directory and returns what it printed on standard output; its error holds the rest.
func run(ctx context.Context, input, program string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = projectDir
	command.Stdin = strings.NewReader(input)
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
