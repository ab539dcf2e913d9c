#!/usr/bin/env bash
# generate-chart.sh HELM_DOCS: copies into the chart what it shares with config/, into config/ what it has from the chart,
# and writes the chart's README with the helm-docs that is given.
set -euo pipefail

helm_docs=$1
cd "$(dirname "${BASH_SOURCE[0]}")/.."
chart=charts/apikey-operator

# copy DIR FILE...: replaces what is in DIR, so that what is gone at its source is gone there too.
copy() {
	local dir=$1
	shift
	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$@" "$dir/"
}

copy $chart/files/crds config/crd/bases/*.yaml
copy $chart/files/rbac config/rbac/*_{account,role,binding}.yaml
copy $chart/files/rbac/watched-namespace config/rbac/watched-namespace/*_{role,binding}.yaml
copy $chart/files/admission config/admission/{status-protection,stamp-guard,deletion-protection}.yaml config/stamp/stamp.yaml

monitoring=config/components/monitoring
{
	printf '# Generated from %s/files/alerts.yaml by make generate.\n' "$chart"
	printf 'apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: apikey-operator\n  namespace: apikey-operator-system\nspec:\n'
	sed -e 's/^\(.\)/  \1/' $chart/files/alerts.yaml
} >$monitoring/prometheus_rule.yaml
cp $chart/files/dashboard.json $monitoring/dashboard.json

"$helm_docs" --log-level warning --chart-search-root charts --sort-values-order file
