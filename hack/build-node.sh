#!/usr/bin/env bash
# Builds the programs of a node (hack/localcluster/node) once per version into the cache and prints, as its last line, the
# directory that holds them: nodecluster, kubectl and all that nodecluster runs. What is not built from Go modules is taken from
# the system, or fetched without installing anything.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"
# shellcheck source=hack/lib/kubernetes.sh
source "$root/hack/lib/kubernetes.sh"

[[ $(uname -s) == Linux ]] || die "a node needs Linux: elsewhere, kind (https://kind.sigs.k8s.io) gives one in Docker"
export GOWORK=off CGO_ENABLED=0
# Assigned one by one: a failure within a list would go unnoticed.
controlplane=$("$root/hack/build-localcluster.sh")
containerd=$("$root/hack/build-tools.sh" containerd)
cni=$("$root/hack/build-tools.sh" cni)
coredns=$("$root/hack/build-tools.sh" coredns)
runc=$("$root/hack/node-program.sh" runc)
nft=$("$root/hack/node-program.sh" nft)
parts=("$controlplane"/{etcd,kube-apiserver,kubectl} "$containerd"/{containerd,containerd-shim-runc-v2,ctr} "$cni"/{ptp,host-local} "$coredns/coredns" "$runc" "$nft")

module=$root/hack/localcluster
target=$(cache_dir)/node-$(module_digest "$module" "$(cat "${BASH_SOURCE[0]}")" "${parts[@]}")
if [[ ! -d $target ]]; then
	lock "$target.lock"
fi
if [[ ! -d $target ]]; then # not built by another process meanwhile
	say "node: building kubelet, kube-controller-manager, kube-scheduler and kube-proxy from the Kubernetes modules into $target"
	say "node: this takes 4 to 8 minutes on two cores, once; downloading the modules first"
	cd "$module"
	packages=$(go list -deps ./node | wc -l)
	ldflags=$(kubernetes_ldflags)
	building=$target.building
	rm -rf "$building"
	mkdir -p "$building/bin"
	build_with_progress node "$packages" go build -v -buildvcs=false -ldflags "$ldflags" -o "$building/bin/nodecluster" ./node
	go build -buildvcs=false -ldflags "-s -w" -o "$building/pause" ./node/pause
	"$building/bin/nodecluster" archive --name localhost/pause:1 --user 65535:65535 --out "$building/bin/pause.tar" "$building/pause"
	ln -s "${parts[@]}" "$building/bin/"
	rm -rf "$target"
	mv "$building" "$target" # in one step, so that nobody sees half of it
fi
printf '%s\n' "$target/bin"
