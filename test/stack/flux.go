package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// FluxNamespace is where Flux' controllers have their objects, by convention.
const FluxNamespace = "flux-system"

// fluxModules are where the definitions of Flux' kinds are.
var fluxModules = []string{"github.com/fluxcd/source-controller", "github.com/fluxcd/kustomize-controller", "github.com/fluxcd/helm-controller"}

// AddFlux takes the paths of Flux' controllers from the variables that the Makefile sets.
func (t *Tools) AddFlux() error {
	return pathsFromEnv(map[string]*string{
		"SOURCE_CONTROLLER":    &t.SourceController,
		"KUSTOMIZE_CONTROLLER": &t.KustomizeController,
		"HELM_CONTROLLER":      &t.HelmController,
	})
}

// InstallFlux applies the definitions that come with the controllers, and makes their namespace.
func (s *Stack) InstallFlux(ctx context.Context) error {
	args := []string{"apply", "--server-side"}
	for _, module := range fluxModules {
		dir, err := s.moduleOfTool(ctx, "hack/tools/gitops", module)
		if err != nil {
			return err
		}
		args = append(args, "-f", filepath.Join(dir, "config", "crd", "bases"))
	}
	if _, err := s.Kubectl(ctx, args...); err != nil {
		return fmt.Errorf("install the definitions of Flux: %w", err)
	}
	_, err := s.Kubectl(ctx, "create", "namespace", FluxNamespace)
	return errors.Join(err, s.established(ctx, "crd/gitrepositories.source.toolkit.fluxcd.io", "crd/kustomizations.kustomize.toolkit.fluxcd.io",
		"crd/helmreleases.helm.toolkit.fluxcd.io"))
}

// established waits until the API server serves what definitions define.
func (s *Stack) established(ctx context.Context, definitions ...string) error {
	_, err := s.Kubectl(ctx, append([]string{"wait", "--for=condition=Established", "--timeout=30s"}, definitions...)...)
	return err
}

// moduleOfTool is the directory of a module that the tools of a set are built from.
func (s *Stack) moduleOfTool(ctx context.Context, set, module string) (string, error) {
	command := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	command.Dir = filepath.Join(s.root, set)
	command.Env = append(os.Environ(), "GOWORK=off")
	printed, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("find the module %s: %w", module, err)
	}
	return strings.TrimSpace(string(printed)), nil
}

// StartFlux starts source-controller, kustomize-controller and helm-controller as the administrator, which is what Flux is
// by default, and returns when they are ready.
func (s *Stack) StartFlux(ctx context.Context) error {
	storage := filepath.Join(s.Dir, "flux-storage")
	if err := os.Mkdir(storage, 0o700); err != nil {
		return err
	}
	var served string
	if err := freeAddresses(&served); err != nil {
		return err
	}
	err := s.startFluxController(ctx, "source-controller", s.Tools.SourceController,
		"--storage-path="+storage, "--storage-addr="+served, "--storage-adv-addr="+served)
	if err != nil {
		return err
	}
	if err := s.startFluxController(ctx, "kustomize-controller", s.Tools.KustomizeController); err != nil {
		return err
	}
	return s.startFluxController(ctx, "helm-controller", s.Tools.HelmController)
}

func (s *Stack) startFluxController(ctx context.Context, name, program string, args ...string) error {
	var metrics, health string
	if err := freeAddresses(&metrics, &health); err != nil {
		return err
	}
	// env becomes the program, which takes its kubeconfig from the environment alone.
	command := append([]string{
		"KUBECONFIG=" + s.AdminKubeconfig(), "RUNTIME_NAMESPACE=" + FluxNamespace, program,
		"--metrics-addr=" + metrics, "--health-addr=" + health, "--requeue-dependency=1s", "--log-level=info",
	}, args...)
	p, err := s.start(name, "env", command...)
	if err != nil {
		return err
	}
	return p.await(ctx, name+" to be ready", startTimeout, func(ctx context.Context) error {
		return Healthy(ctx, "http://"+health+"/readyz")
	})
}
