#!/usr/bin/env bash
# Regenerates what is generated and runs every check that needs no running server. It fails where regenerating changed
# something, and with CI=true also where the tree is dirty: a developer's uncommitted work alone is no failure.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
make=${MAKE:-make}

# fingerprints prints a hash and the name of each file that generating may write.
fingerprints() {
	git ls-files --cached --others --exclude-standard -- 'api/*' 'charts/*' 'config/*' 'docs/reference/*' | LC_ALL=C sort -u | while read -r file; do
		# A file that was deleted and not committed yet is listed, too.
		[[ -f $file ]] && printf '%s %s\n' "$(git hash-object "$file")" "$file"
	done || true
}

# unformatted prints the names of Go files that gofmt would change.
unformatted() {
	git ls-files --cached --others --exclude-standard -- '*.go' | sort -u | while read -r file; do
		[[ -f $file ]] && gofmt -l "$file"
	done || true
}

check_generated() {
	local before after
	before=$(fingerprints)
	"$make" generate
	after=$(fingerprints)
	if [[ $before != "$after" ]]; then
		echo "these generated files were out of date and have been regenerated; commit them:" >&2
		diff <(echo "$before") <(echo "$after") | awk '/^[<>]/ {print "  " $3}' | sort -u >&2
		return 1
	fi
}

check_format() {
	local files
	files=$(unformatted)
	if [[ -n $files ]]; then
		printf 'these files are not formatted; run "make fmt":\n%s\n' "$files" >&2
		return 1
	fi
}

check_clean() {
	local dirty
	[[ ${CI:-} == true ]] || return 0
	dirty=$(git status --porcelain)
	if [[ -n $dirty ]]; then
		printf 'the tree is not clean:\n%s\n' "$dirty" >&2
		return 1
	fi
}

# Not as "check || exit": bash would then not stop at a failed command within the check.
check_generated
check_format
"$make" vet lint vuln tidy-check
check_clean
