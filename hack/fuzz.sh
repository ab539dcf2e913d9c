#!/usr/bin/env bash
# fuzz.sh TIME [PATTERN]: runs each fuzz test of the module whose name matches the regular expression PATTERN (all) for TIME, one
# after another, since go test takes one at a time. It goes on after one that fails, and then exits with 1; what failed stands in
# testdata/fuzz of its package, to be committed with the fix. fuzz.sh list names them all.
set -euo pipefail

pattern=${2:-.}
failed=()

for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./internal/... ./controllers/...); do
	# -list prints a line "ok ..." as well.
	for fuzz in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' | grep -E "$pattern" || true); do
		if [[ $1 == list ]]; then
			echo "$fuzz in $package"
			continue
		fi
		echo "==> $fuzz in $package for $1"
		go test -run '^$' -fuzz "^$fuzz\$" -fuzztime "$1" -timeout 0 "$package" || failed+=("$fuzz")
	done
done

if ((${#failed[@]})); then
	echo "failed: ${failed[*]}" >&2
	exit 1
fi
