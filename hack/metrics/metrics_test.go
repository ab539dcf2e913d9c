package main

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestAMetricWithoutASeriesIsAMistakeOfTheReference(t *testing.T) {
	r := newRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total", Help: "Requests."}, []string{"by"})
	r.MustRegister(requests)
	if _, err := r.metrics(); err == nil || !strings.Contains(err.Error(), "requests_total") {
		t.Errorf("err = %v, want the metric named that has no series", err)
	}
	requests.WithLabelValues("b")
	requests.WithLabelValues("a")
	metrics, err := r.metrics()
	if err != nil {
		t.Fatal(err)
	}
	text, err := render([]section{{title: "Some", metrics: metrics}})
	if want := "| `requests_total` | counter | `by`: a, b | Requests. |\n"; err != nil || !strings.HasSuffix(text, want) {
		t.Errorf("rendered as %q, %v; want it to end in %q", text, err, want)
	}
}

func TestEveryMetricIsInOneSection(t *testing.T) {
	sections, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := render(sections); err != nil {
		t.Error(err)
	}
}
