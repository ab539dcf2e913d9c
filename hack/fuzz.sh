#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz test of the module for TIME each (go test takes one at a time).
set -euo pipefail

for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./internal/... ./controllers/...); do
	# -list prints a line "ok ..." as well.
	for fuzz in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "==> $fuzz in $package for $1"
		go test -run '^$' -fuzz "^$fuzz\$" -fuzztime "$1" "$package"
	done
done
