package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// maxNamespaces bounds the watches that are opened, of which the manager has two in each namespace. Whoever has more
// namespaces is better served by one watch of all.
const maxNamespaces = 100

func registerNamespaces(flags *pflag.FlagSet, namespaces *[]string) {
	flags.StringSliceVar(namespaces, "watch-namespaces", nil,
		"namespaces to look after, such as team-a,team-b, with rights in them alone; empty for the whole cluster")
}

func validateNamespaces(namespaces []string) error {
	if len(namespaces) > maxNamespaces {
		return usagef("--watch-namespaces: %d are too many: give %d at most, or none for the whole cluster", len(namespaces), maxNamespaces)
	}
	for i, name := range namespaces {
		if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
			return usagef("--watch-namespaces: %q is no name of a namespace: %s", name, strings.Join(problems, "; "))
		}
		if slices.Contains(namespaces[:i], name) {
			return usagef("--watch-namespaces: %s is listed twice", name)
		}
	}
	return nil
}

// whereabouts names namespaces for people; none, or an empty name, stands for the whole cluster.
func whereabouts(namespaces []string) string {
	if len(namespaces) == 0 || slices.Contains(namespaces, metav1.NamespaceAll) {
		return "the cluster"
	}
	return "namespace " + strings.Join(namespaces, ", namespace ")
}

// cached are the namespaces that caches hold; nil for all.
func cached(namespaces []string) map[string]cache.Config {
	if len(namespaces) == 0 {
		return nil
	}
	configs := map[string]cache.Config{}
	for _, name := range namespaces {
		configs[name] = cache.Config{}
	}
	return configs
}
