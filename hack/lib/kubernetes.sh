# Functions for scripts that build programs out of the Kubernetes modules. To be sourced.
# shellcheck shell=bash

# kubernetes_ldflags prints the linker's flags that tell Kubernetes its version, which is that of the module in the current directory.
kubernetes_ldflags() {
	local version=k8s.io/component-base/version kubernetes major minor
	kubernetes=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
	IFS=. read -r major minor _ <<<"${kubernetes#v}"
	printf -- '-s -w -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s -X %s.gitTreeState=clean\n' \
		"$version" "$kubernetes" "$version" "$major" "$version" "$minor" "$version"
}
