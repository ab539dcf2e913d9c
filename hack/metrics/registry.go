package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// registry remembers the names that were registered, and so tells those that no series shows.
type registry struct {
	*prometheus.Registry

	names []string
}

func newRegistry() *registry { return &registry{Registry: prometheus.NewPedanticRegistry()} }

// Register implements prometheus.Registerer.
func (r *registry) Register(c prometheus.Collector) error {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		c.Describe(descriptions)
	}()
	for d := range descriptions {
		r.names = append(r.names, nameOf(d))
	}
	return r.Registry.Register(c)
}

// MustRegister implements prometheus.Registerer.
func (r *registry) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

var quotedName = regexp.MustCompile(`fqName: "([^"]+)"`)

// nameOf takes the name out of a description's text, since it has no field for it.
func nameOf(d *prometheus.Desc) string {
	if name := quotedName.FindStringSubmatch(d.String()); name != nil {
		return name[1]
	}
	return d.String()
}

// metric is a row of the reference.
type metric struct {
	name, kind, help string
	labels           []label
}

type label struct {
	name   string
	values []string
}

// metrics are all that were registered, by name.
func (r *registry) metrics() ([]metric, error) {
	families, err := r.Gather()
	if err != nil {
		return nil, err
	}
	all := make([]metric, 0, len(families))
	for _, family := range families {
		all = append(all, metric{
			name: family.GetName(), kind: strings.ToLower(family.GetType().String()), help: family.GetHelp(), labels: labelsOf(family),
		})
	}
	for _, name := range r.names {
		if !slices.ContainsFunc(all, func(m metric) bool { return m.name == name }) {
			return nil, fmt.Errorf("%s has no series here, so that its type and labels cannot be told: give it one", name)
		}
	}
	return all, nil
}

func labelsOf(family *dto.MetricFamily) []label {
	values := map[string]map[string]bool{}
	for _, m := range family.GetMetric() {
		for _, pair := range m.GetLabel() {
			if values[pair.GetName()] == nil {
				values[pair.GetName()] = map[string]bool{}
			}
			values[pair.GetName()][pair.GetValue()] = true
		}
	}
	var labels []label
	for _, name := range slices.Sorted(maps.Keys(values)) {
		labels = append(labels, label{name: name, values: slices.Sorted(maps.Keys(values[name]))})
	}
	return labels
}
