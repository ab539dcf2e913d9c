#!/usr/bin/env bash
# Plays HISTORIES random histories of keys, spread over all cores, and those that broke once, and prints the seeds that
# bring them back and a closing line. SEED plays those of an earlier run again.
#   hack/sim.sh HISTORIES [SEED]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
histories=$1
seed=${2:-$((RANDOM * 32768 + RANDOM + 1))}
workers=$(getconf _NPROCESSORS_ONLN)
((workers <= histories)) || workers=1

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM

go test -c -o "$dir/sim.test" ./test/sim
pids=()
for ((worker = 0; worker < workers; worker++)); do
	share=$((histories / workers + (worker < histories % workers ? 1 : 0)))
	own=$((seed + worker * 1000003))
	echo "worker $worker: $share histories from seed $own"
	(cd test/sim && exec "$dir/sim.test" -test.skip='^TestPlantedMistakesAreFound$' -test.timeout=0 \
		-rapid.checks="$share" -rapid.seed="$own" -rapid.nofailfile >"$dir/$worker.log" 2>&1) &
	pids+=($!)
done

while sleep 20 && [[ -n $(jobs -rp) ]]; do
	echo "$(cat "$dir"/*.log | awk '/^played /{sum += $2} END {print sum + 0}') of $histories histories played"
done

status=0
for pid in "${pids[@]}"; do
	wait "$pid" || status=1
done
grep -hv -e '^played ' -e '^PASS$' -e '^histories: ' "$dir"/*.log || true
awk '/^histories: /{played += $2; broken += $4} END {printf "histories: %d, broken: %d\n", played, broken}' "$dir"/*.log
exit $status
