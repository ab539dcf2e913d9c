package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Tools are the programs that a stack runs, each by its path.
type Tools struct {
	LocalCluster string // what hack/build-localcluster.sh builds
	Kubectl      string
	Nginx        string // with the auth_request module
	Operator     string // the built apikey-operator
}

// ToolsFromEnv takes the paths from the variables that the Makefile sets. Its error names every
// variable that is missing or leads nowhere.
func ToolsFromEnv() (Tools, error) {
	var tools Tools
	var problems []string
	for variable, path := range map[string]*string{
		"LOCALCLUSTER":    &tools.LocalCluster,
		"KUBECTL":         &tools.Kubectl,
		"NGINX":           &tools.Nginx,
		"APIKEY_OPERATOR": &tools.Operator,
	} {
		*path = os.Getenv(variable)
		if *path == "" {
			problems = append(problems, variable+" is not set")
		} else if _, err := os.Stat(*path); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", variable, err))
		}
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return Tools{}, errors.New(strings.Join(problems, "; "))
	}
	return tools, nil
}

// root is the directory of the project, found from the current one upwards.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "config", "default", "kustomization.yaml")); err == nil {
			return dir, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("config/default was not found here or above: run this inside the project")
		}
		dir = parent
	}
}
