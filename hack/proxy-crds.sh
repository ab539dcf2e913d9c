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

# take MODULE@VERSION FILE NAME...: copies those definitions out of the module's file whose names begin so, such as
# httpproxies for httpproxies.projectcontour.io. Each definition costs the API server time, so only what guides use is taken.
take() {
	local from file=$2 names
	GOWORK=off go mod download -json "$1" >/dev/null || die "$1 could not be downloaded"
	from=$(go env GOMODCACHE)/$1/$file
	shift 2
	names=$(paste -sd '|' < <(printf '%s\n' "$@"))
	awk -v names="^($names)[.]" '
		function end() { if (wanted) { printf "---\n%s", text; found++ } text = ""; wanted = 0 }
		/^---/ { end(); next }
		/^  name: / && $2 ~ names { wanted = 1 }
		{ text = text $0 "\n" }
		END { end(); exit found == 0 }
	' "$from" >"$(basename "$file")" || die "$from has none of: $*"
}

take_all() {
	local gateway=sigs.k8s.io/gateway-api@v1.6.3 crds=config/crd/experimental/gateway.networking.k8s.io
	take $gateway ${crds}_httproutes.yaml httproutes
	take $gateway ${crds}_referencegrants.yaml referencegrants
	take github.com/envoyproxy/gateway@v1.9.1 \
		charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_securitypolicies.yaml securitypolicies
	# Traefik waits for all of its kinds.
	take github.com/traefik/traefik/v3@v3.7.13 docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml '[a-z]+'
	take github.com/projectcontour/contour@v1.33.8 examples/contour/01-crds.yaml httpproxies extensionservices tlscertificatedelegations
	take istio.io/api@v1.32.0 kubernetes/customresourcedefinitions.gen.yaml authorizationpolicies virtualservices envoyfilters
}

target=$(cache_dir)/proxy-crds-$(digest <"${BASH_SOURCE[0]}")
lock "$target.lock"
fill "$target" take_all || die "the definitions could not be fetched"
printf '%s\n' "$target"
