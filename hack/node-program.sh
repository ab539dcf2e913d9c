#!/usr/bin/env bash
# Finds a program that the node cluster runs and that is not built from Go modules, or gets it into the cache without
# installing anything, and prints its path as its last line.
#
#   hack/node-program.sh runc|nft
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"
# shellcheck source=hack/lib/fetch.sh
source "$root/hack/lib/fetch.sh"

# usable FILE: whether it runs here (all libraries are found) and has what the node needs.
usable() {
	[[ -x $1 ]] || return 1
	case $name in
	# Pods that ask for the seccomp profile RuntimeDefault do not start without it.
	runc) "$1" --version | grep -q '^libseccomp: ' ;;
	nft) "$1" --version >/dev/null ;;
	esac
}

name=${1:-}
case $name in
runc) package=runc ;;
nft) package=nftables ;;
*) die "unknown program '$name': ask for runc or nft" ;;
esac

cache=$(cache_dir)/$package
lock "$cache.lock"
for place in system deb; do
	case $place in
	system) binary=$(from_system "$name") || continue ;;
	deb) binary=$(from_deb "$cache/deb" "$package" "$name") || continue ;;
	esac
	if usable "$binary"; then
		say "$name: $binary"
		printf '%s\n' "$binary"
		exit 0
	fi
done
die "no usable $name was found: install it (Debian and Ubuntu: apt-get install $package) and try again"
