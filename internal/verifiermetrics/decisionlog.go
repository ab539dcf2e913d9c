package verifiermetrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// DecisionLog says what a decision log left out; decisionlog.Log does.
type DecisionLog interface {
	Suppressed(reason authn.Reason) uint64
	Dropped() uint64
}

// RegisterDecisionLog registers what is counted of a decision log, which is asked at each scrape.
func RegisterDecisionLog(registerer prometheus.Registerer, log DecisionLog) {
	for r := range authn.ReasonCount {
		reason := authn.Reason(r)
		o := options("decision_log_suppressed_total", "Decisions that were not logged since there were more than 10 a second with their reason.")
		o.ConstLabels = prometheus.Labels{"reason": reason.String()}
		registerer.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts(o), func() float64 { return float64(log.Suppressed(reason)) }))
	}
	registerer.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts(
		options("decision_log_dropped_total", "Lines of the decision log that were lost since its output was too slow or failed.")),
		func() float64 { return float64(log.Dropped()) }))
}
