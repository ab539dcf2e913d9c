#!/usr/bin/env bash
# Builds the tools that hack/tools names (controller-gen, golangci-lint, govulncheck) once per version into the cache
# and prints, as its last line, the directory that holds them.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/lib/cache.sh
source "$root/hack/lib/cache.sh"

export GOWORK=off CGO_ENABLED=0
module=$root/hack/tools
target=$(cache_dir)/tools-$(module_digest "$module" "$(cat "${BASH_SOURCE[0]}")")

if [[ ! -d $target/bin ]]; then
	lock "$target.lock"
fi
if [[ ! -d $target/bin ]]; then # not built by another process meanwhile
	say "tools: building controller-gen, golangci-lint and govulncheck into $target"
	say "tools: this takes 2 to 4 minutes on two cores, once; downloading the modules first"
	cd "$module"
	packages=$(go list -deps tool | wc -l)
	building=$target.building
	rm -rf "$building"
	mkdir -p "$building/bin"
	build_with_progress tools "$packages" go build -v -buildvcs=false -ldflags "-s -w" -o "$building/bin/" tool
	mv "$building" "$target" # in one step, so that nobody sees half of it
fi
printf '%s\n' "$target/bin"
