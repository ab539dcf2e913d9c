package admission

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Metrics are what the handlers count.
type Metrics struct {
	answers *prometheus.CounterVec
}

type outcome string

// The outcomes of a request.
const (
	allowed outcome = "allowed"
	warned  outcome = "warned" // allowed with warnings
	refused outcome = "refused"
	failed  outcome = "failed" // not answered, so that failurePolicy decides
)

func outcomeOf(response admission.Response) outcome {
	switch {
	case !response.Allowed:
		return refused
	case len(response.Warnings) > 0:
		return warned
	default:
		return allowed
	}
}

// NewMetrics makes the counter and registers it.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{answers: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apikey_operator_admission_answers_total",
		Help: "Admission requests by path and by what became of them: allowed, warned (allowed with warnings), refused, or failed, where failurePolicy decides.",
	}, []string{"path", "outcome"})}
	for _, path := range []string{ValidateApiKeyPath, ValidateApiKeyPolicyPath, MutateApiKeyPath} {
		for _, o := range []outcome{allowed, warned, refused, failed} {
			m.answers.WithLabelValues(path, string(o))
		}
	}
	registerer.MustRegister(m.answers)
	return m
}

func (m *Metrics) count(path string, o outcome) {
	m.answers.WithLabelValues(path, string(o)).Inc()
}
