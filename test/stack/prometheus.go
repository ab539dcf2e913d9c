package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"
)

// Prometheus is a running Prometheus server.
type Prometheus struct {
	*Process

	URL string // of its API
}

// PrometheusOptions say what a Prometheus does.
type PrometheusOptions struct {
	// Interval is how often it scrapes, and evaluates rules.
	Interval time.Duration
	// Targets are the host:port of /metrics by the name of the process, which is their label instance.
	Targets map[string]string
	// Rules is a file of rules.
	Rules string
}

// StartPrometheus starts a Prometheus, and returns when it is ready. It labels what it scrapes as the chart's PodMonitors have it
// labelled.
func (s *Stack) StartPrometheus(ctx context.Context, o PrometheusOptions) (*Prometheus, error) {
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.Dir, "prometheus")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	config, err := yaml.Marshal(o.configuration())
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration of Prometheus: %w", err)
	}
	p := &Prometheus{URL: "http://" + address}
	p.Process, err = s.start("prometheus", s.Tools.Prometheus, "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	if err != nil {
		return nil, err
	}
	return p, p.await(ctx, "prometheus to be ready", startTimeout, func(ctx context.Context) error {
		return Healthy(ctx, p.URL+"/-/ready")
	})
}

func (o PrometheusOptions) configuration() map[string]any {
	interval := o.Interval.String()
	var targets []any
	for name, address := range o.Targets {
		targets = append(targets, map[string]any{
			"targets": []string{address}, "labels": map[string]string{"instance": name, "namespace": SystemNamespace},
		})
	}
	return map[string]any{
		"global":     map[string]any{"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
		"rule_files": []string{o.Rules},
		"scrape_configs": []any{map[string]any{
			"job_name": "apikey-operator", "honor_labels": true, "static_configs": targets,
		}},
	}
}
