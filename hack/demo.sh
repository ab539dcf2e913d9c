#!/usr/bin/env bash
# Builds and runs the demo (hack/demo). KEEP=1 leaves everything running until Ctrl-C. The programs come from the
# variables that `make demo` sets; what is not set is built or looked for here.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"
cd "$root"

if [[ -z ${LOCALCLUSTER:-} || -z ${KUBECTL:-} ]]; then
	assets=$(hack/build-localcluster.sh)
	LOCALCLUSTER=$assets/localcluster KUBECTL=$assets/kubectl
fi
NGINX=${NGINX:-$(hack/nginx.sh)}
if [[ -z ${APIKEY_OPERATOR:-} ]]; then
	say "building apikey-operator"
	APIKEY_OPERATOR=$root/bin/apikey-operator
	CGO_ENABLED=0 go build -o "$APIKEY_OPERATOR" ./cmd/apikey-operator
fi
export LOCALCLUSTER KUBECTL NGINX APIKEY_OPERATOR KEEP=${KEEP:-}

say "building the demo"
CGO_ENABLED=0 go build -o bin/demo ./hack/demo
exec bin/demo
