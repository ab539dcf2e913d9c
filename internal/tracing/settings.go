package tracing

import (
	"fmt"
	"net"
	"strconv"
)

// Settings say where traces go. What they do not name, such as headers, time-outs, certificates and attributes of this
// process, is taken from the variables OTEL_* of the OpenTelemetry specification.
type Settings struct {
	// Endpoint is the host:port of a collector that takes OTLP over gRPC. Default empty: nothing is traced.
	Endpoint string
	// Insecure connects without TLS.
	Insecure bool
	// SampleRatio, 0 to 1, is which part of the requests without a trace of their own is traced. For the others, the
	// proxy has decided. Default 1.
	SampleRatio float64
}

// DefaultSettings are those of a verifier that is told nothing else.
func DefaultSettings() Settings { return Settings{SampleRatio: 1} }

// Enabled says whether anything is traced.
func (s Settings) Enabled() bool { return s.Endpoint != "" }

// Validate says in one sentence what is wrong with the settings, nil for nothing. It names them as the verifier's flags
// are named.
func (s Settings) Validate() error {
	if !(s.SampleRatio >= 0 && s.SampleRatio <= 1) { // not-a-number is neither
		return fmt.Errorf("--tracing-sample-ratio: %v is no part of the requests, use 0 to 1", s.SampleRatio)
	}
	if !s.Enabled() {
		if s.Insecure {
			return fmt.Errorf("--tracing-insecure: nothing is traced without --tracing-endpoint")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(s.Endpoint)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || number == 0 {
		return fmt.Errorf("--tracing-endpoint: %q is no address of a collector, give HOST:PORT, such as collector.observability:4317", s.Endpoint)
	}
	return nil
}
