#!/usr/bin/env bash
# step.sh WHAT COMMAND...: runs a command, says when it starts and how long it took, and that it still runs every 30
# seconds, since compilers and linters print nothing for minutes. It exits with the command's exit code.
set -euo pipefail

what=$1
shift
began=$SECONDS

# The sleep keeps none of this script's output open when it outlives the heartbeat by its second.
heartbeat() {
	local next=30
	while sleep 1 >/dev/null 2>&1; do
		((SECONDS - began >= next)) || continue
		printf '    ... %s: still running after %d s\n' "$what" $((SECONDS - began)) >&2
		next=$((next + 30))
	done
}

printf '==> %s\n' "$what" >&2
heartbeat &
heart=$!
trap 'kill "$heart" 2>/dev/null || true' EXIT
code=0
"$@" || code=$?
if ((code == 0)); then
	printf '    %s: done in %d s\n' "$what" $((SECONDS - began)) >&2
else
	printf '    %s: FAILED (exit code %d) after %d s\n' "$what" "$code" $((SECONDS - began)) >&2
fi
exit "$code"
