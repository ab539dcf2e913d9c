#!/usr/bin/env bash
# Builds the local control plane (hack/localcluster) once per version into the cache and prints, as its last line, the
# directory that holds it as localcluster, etcd, kube-apiserver and kubectl: fit for KUBEBUILDER_ASSETS.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"
# shellcheck source=hack/lib/kubernetes.sh
source "$root/hack/lib/kubernetes.sh"

export GOWORK=off CGO_ENABLED=0
module=$root/hack/localcluster
# The node's sources (hack/build-node.sh) are no part of it.
target=$(cache_dir)/localcluster-$(LEAVE_OUT=node module_digest "$module" "$(cat "${BASH_SOURCE[0]}")")

if [[ ! -x $target/bin/localcluster ]]; then
	lock "$target.lock"
fi
if [[ ! -x $target/bin/localcluster ]]; then # not built by another process meanwhile
	say "localcluster: building etcd, kube-apiserver and kubectl from the Kubernetes modules into $target"
	say "localcluster: this takes 6 to 10 minutes on two cores, once; downloading the modules first"
	cd "$module"
	packages=$(go list -deps . | wc -l)
	ldflags=$(kubernetes_ldflags)
	building=$target.building
	rm -rf "$building"
	build_with_progress localcluster "$packages" go build -v -buildvcs=false \
		-ldflags "$ldflags" -o "$building/bin/localcluster" .
	for name in etcd kube-apiserver kubectl; do
		ln -s localcluster "$building/bin/$name"
	done
	"$building/bin/localcluster" version >&2
	rm -rf "$target"
	mv "$building" "$target" # in one step, so that nobody sees half of it
fi
printf '%s\n' "$target/bin"
