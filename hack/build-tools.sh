#!/usr/bin/env bash
# Builds a set of tools once per version into the cache and prints, as its last line, the directory that holds them.
#
#   hack/build-tools.sh [SET]
#
# A set is a module with a tool block: hack/tools itself (controller-gen, golangci-lint, govulncheck), or the one below it
# that SET names. They are apart so that no set's versions bear on another's, and so that only what is asked for is built.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"

export GOWORK=off CGO_ENABLED=0
name=tools${1:+-$1}
module=$root/hack/tools${1:+/$1}
[[ -f $module/go.mod ]] || die "there is no set of tools '${1:-}': $module/go.mod is missing"
flags=()
# containerd's btrfs snapshots need headers of C.
[[ ${1:-} != containerd ]] || flags=(-tags no_btrfs)
target=$(cache_dir)/$name-$(module_digest "$module" "$(cat "${BASH_SOURCE[0]}")")

if [[ ! -d $target/bin ]]; then
	lock "$target.lock"
fi
if [[ ! -d $target/bin ]]; then # not built by another process meanwhile
	cd "$module"
	tools=$(go list tool | sed 's#.*/##' | paste -sd ' ')
	say "$name: building $tools into $target"
	say "$name: this takes some minutes on two cores, once; downloading the modules first"
	packages=$(go list "${flags[@]}" -deps tool | wc -l)
	building=$target.building
	rm -rf "$building"
	mkdir -p "$building/bin"
	build_with_progress "$name" "$packages" go build -v -buildvcs=false "${flags[@]}" -ldflags "-s -w" -o "$building/bin/" tool
	mv "$building" "$target" # in one step, so that nobody sees half of it
fi
printf '%s\n' "$target/bin"
