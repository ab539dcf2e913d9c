# Functions for scripts that build or fetch a tool once into a cache shared by all checkouts. To be sourced.
# shellcheck shell=bash

# say prints a line of progress, apart from the result on standard output.
say() { printf '%s\n' "$*" >&2; }

# die prints why the script cannot go on, and ends it.
die() {
	say "error: $*"
	exit 1
}

# cache_dir prints the directory of the cache: APIKEY_OPERATOR_CACHE, or apikey-operator in the user's own.
cache_dir() {
	printf '%s\n' "${APIKEY_OPERATOR_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or APIKEY_OPERATOR_CACHE}/.cache}/apikey-operator}"
}

# digest prints a short hash of standard input.
digest() {
	if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16
}

# module_digest DIR [TEXT...]: a hash of what decides how the Go module in DIR builds: its sources, with what they embed from
# directories named config, its versions, the toolchain, and TEXT. LEAVE_OUT names a directory whose sources do not count.
module_digest() {
	local dir=$1
	shift
	{
		printf '%s\n' "$@"
		(cd "$dir" && go version && go env GOOS GOARCH && cat go.mod go.sum)
		(cd "$dir" && find . -path "./${LEAVE_OUT:-.}" -prune -o \( -name '*.go' -o -path '*/config/*' -type f \) ! -name '*_test.go' -print | LC_ALL=C sort | while read -r file; do
			printf '%s\n' "$file"
			cat "$file"
		done)
	} | digest
}

# lock FILE: holds a lock until the script ends, so that two builds of the same thing do not race.
# Without flock (macOS) both build, and the later one replaces the earlier.
lock() {
	mkdir -p "$(dirname "$1")"
	command -v flock >/dev/null || return 0
	exec 9>"$1"
	flock --nonblock 9 && return 0
	say "another process builds the same; waiting for it"
	flock 9
}

# build_with_progress NAME TOTAL COMMAND...: runs a `go build -v` and prints a line every 15 seconds.
# TOTAL is the number of packages where nothing is compiled yet; of those in Go's build cache none is compiled again.
build_with_progress() {
	local name=$1 total=$2 log pid began=$SECONDS next=15
	shift 2
	log=$(mktemp)
	"$@" >"$log" 2>&1 9>&- &
	pid=$!
	# shellcheck disable=SC2064 # the values of now are meant
	trap "kill $pid 2>/dev/null; rm -f '$log'" EXIT
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.5
		if ((SECONDS - began >= next)); then
			say "$(printf '%s: %dm%02ds, %d of at most %d packages compiled, now %s' "$name" \
				$(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)) "$(grep -vc '^go: ' "$log")" "$total" "$(tail -n 1 "$log")")"
			next=$((next + 15))
		fi
	done
	if ! wait "$pid"; then
		say "$name: the build failed:"
		# -v prints a line per package, which has no blank: the rest is what went wrong.
		grep '[# ]' "$log" | tail -n 30 >&2
		exit 1
	fi
	trap - EXIT
	rm -f "$log"
	say "$name: built in $((SECONDS - began)) s"
}
