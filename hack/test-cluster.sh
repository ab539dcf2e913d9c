#!/usr/bin/env bash
# Tests the chart and the image on a real node (test/cluster): one of kind where it is installed and docker's engine answers,
# else one of our own (hack/build-node.sh), which needs root and Linux. Arguments go to `go test`. The cluster goes with the
# script, however that ends.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"
# shellcheck source=hack/lib/fetch.sh
source "$root/hack/lib/fetch.sh"
# shellcheck source=hack/lib/image.sh
source "$root/hack/lib/image.sh"
cd "$root"

VERSION=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo devel)}
export VERSION DIR NODECLUSTER KIND_CLUSTER KUBECTL HELM NGINX IMAGE
IMAGE=$root/$(hack/step.sh "image $VERSION" hack/image.sh)
HELM=$(hack/build-tools.sh charts)/helm
# In a pod there are no libraries to be found: the one that is linked statically.
NGINX=$(hack/nginx.sh wheel)
if command -v kind >/dev/null && [[ $(image_builder) == docker ]]; then
	say "cluster: kind"
	NODECLUSTER='' KUBECTL=$(from_system kubectl || echo "$(hack/build-localcluster.sh)/kubectl")
else
	assets=$(hack/build-node.sh)
	NODECLUSTER=$assets/nodecluster KUBECTL=$assets/kubectl
fi

tear_down() {
	if [[ -n $NODECLUSTER ]]; then
		"$NODECLUSTER" down --dir "$DIR/node" || true
	else
		kind delete cluster --name "$KIND_CLUSTER" || true
	fi
	rm -rf "$DIR"
}
DIR=$(mktemp -d)
# Its own name, so that nobody else's cluster is taken down with it.
KIND_CLUSTER=apikey-operator-$(basename "$DIR" | tr '[:upper:].' '[:lower:]-')
trap tear_down EXIT
trap 'exit 130' INT TERM
hack/step.sh "tests on a real node" go test -count=1 -timeout 20m "$@" ./test/cluster
