#!/usr/bin/env bash
# Prints the path of a redis-server as its last line: REDIS_SERVER where it is set, else the system's, else Debian's or
# Ubuntu's package, unpacked into the cache and not installed. Arguments: where to look, in order; by default system deb.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"
# shellcheck source=hack/lib/fetch.sh
source "$root/hack/lib/fetch.sh"

if [[ -n ${REDIS_SERVER:-} ]]; then
	printf '%s\n' "$REDIS_SERVER"
	exit 0
fi
cache=$(cache_dir)/redis

look_in() {
	case $1 in
	system) from_system redis-server ;;
	deb) from_deb "$cache/deb" redis-server redis-server ;;
	esac
}

(($# > 0)) || set -- system deb
lock "$cache.lock"
for place in "$@"; do
	case $place in
	system | deb) ;;
	*) die "unknown place $place: use system or deb" ;;
	esac
	say "redis: looking in: $place"
	# It must run here, with all its libraries.
	if binary=$(look_in "$place") && version=$("$binary" --version); then
		say "redis: $version"
		printf '%s\n' "$binary"
		exit 0
	fi
done
die "no redis-server was found in: $*. Install one (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis), or set REDIS_SERVER, and try again"
