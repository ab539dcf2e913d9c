#!/usr/bin/env bash
# Prints, as its last line, a directory with the CustomResourceDefinitions of the proxies that the guides are for: of
# Traefik, Gateway API (the experimental channel, which has the ExternalAuth filter), Envoy Gateway, Contour and Istio. They
# are taken once per version into the cache, out of the Go modules that their projects publish, whose checksums go checks.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"
# shellcheck source=hack/lib/fetch.sh
source "$root/hack/lib/fetch.sh"

# take MODULE@VERSION PREFIX FILE...: copies the module's files into the current directory, each as PREFIX-NAME.
take() {
	local from prefix=$2 file
	GOWORK=off go mod download -json "$1" >/dev/null || die "$1 could not be downloaded"
	from=$(go env GOMODCACHE)/$1
	shift 2
	for file in "$@"; do
		install -m 644 "$from/$file" "$prefix-$(basename "$file")" || die "$from has no $file"
	done
}

take_all() {
	local gateway=config/crd/experimental/gateway.networking.k8s.io
	take sigs.k8s.io/gateway-api@v1.6.3 gateway-api \
		"${gateway}"_{gatewayclasses,gateways,httproutes,grpcroutes,referencegrants}.yaml
	take github.com/envoyproxy/gateway@v1.9.1 envoy-gateway \
		charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_{securitypolicies,clienttrafficpolicies}.yaml
	take github.com/traefik/traefik/v3@v3.7.13 traefik docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml
	take github.com/projectcontour/contour@v1.33.8 contour examples/contour/01-crds.yaml
	take istio.io/api@v1.32.0 istio kubernetes/customresourcedefinitions.gen.yaml
}

target=$(cache_dir)/proxy-crds-$(digest <"${BASH_SOURCE[0]}")
lock "$target.lock"
fill "$target" take_all || die "the definitions could not be fetched"
printf '%s\n' "$target"
