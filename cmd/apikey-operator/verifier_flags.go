package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/apikey-operator/apikey-operator/internal/authhttp"
	"github.com/apikey-operator/apikey-operator/internal/decisionlog"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/tlsfiles"
	"github.com/apikey-operator/apikey-operator/internal/tracing"
)

type verifierFlags struct {
	commonFlags
	bindAddress    string
	metricsAddress string
	drainDelay     time.Duration
	maxStaleness   time.Duration
	namespaces     []string
	decisionLog    decisionlog.Settings
	rateLimits     rateLimitFlags
	grpc           grpcFlags
	gate           gate.Settings
	connections    authhttp.Settings
	tls            tlsfiles.Settings
	tracing        tracing.Settings
}

// maxDrainDelay keeps a drain within what an orchestrator waits for.
const maxDrainDelay = 5 * time.Minute

// stopTimeout is how long requests in flight may take after the drain: as long as they may take at all.
func (f *verifierFlags) stopTimeout() time.Duration {
	return f.connections.ReadTimeout + f.connections.WriteTimeout + time.Second
}

func newVerifierCommand() *cobra.Command {
	f := &verifierFlags{
		gate: gate.DefaultSettings(), connections: authhttp.DefaultSettings(), decisionLog: decisionlog.DefaultSettings(),
		tracing: tracing.DefaultSettings(),
	}
	command := &cobra.Command{
		Use:   "verifier",
		Short: "Answers ingress proxies: may this request pass, and who is it?",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return runVerifier(c.Context(), f) },
	}
	f.registerFlags(command)
	return command
}

func (f *verifierFlags) registerFlags(command *cobra.Command) {
	flags := command.Flags()
	f.register(flags)
	flags.StringVar(&f.bindAddress, "bind-address", ":9090", "address that proxies ask")
	flags.StringVar(&f.metricsAddress, "metrics-bind-address", ":8080", "address that serves /metrics, /healthz and /readyz over HTTP")
	flags.DurationVar(&f.drainDelay, "drain-delay", 5*time.Second,
		"how long to go on answering after a termination signal while not ready, so that proxies can turn elsewhere; 0s to 5m")
	flags.StringVar((*string)(&f.decisionLog.Mode), "decision-log", string(f.decisionLog.Mode),
		"which decisions are written to standard output, as lines of JSON: refusals, all, or off; at most 10 a second with each reason")
	flags.Uint64Var(&f.decisionLog.Sample, "decision-log-sample", f.decisionLog.Sample,
		"with --decision-log=all, of how many allowed requests one is written")
	f.rateLimits.register(flags)
	registerMaxStaleness(flags, &f.maxStaleness)
	registerNamespaces(flags, &f.namespaces)
	f.registerGate(flags)
	f.registerConnections(flags)
	f.grpc.register(flags)
	registerTLS(flags, &f.tls)
	registerTracing(flags, &f.tracing)
}

func (f *verifierFlags) registerGate(flags *pflag.FlagSet) {
	s := &f.gate
	flags.StringVar(&s.CredentialHeader, "credential-header", s.CredentialHeader, "header that holds the key")
	flags.BoolVar(&s.Authorization, "credential-authorization", s.Authorization,
		"also take the key from Authorization: Bearer KEY, ApiKey KEY, or the bare key")
	flags.StringVar(&s.QueryParameter, "credential-query", s.QueryParameter,
		"also take the key from this query parameter of the original URL, such as api_key; empty for not at all, since URLs are logged")
	flags.StringVar(&s.Cookie, "credential-cookie", s.Cookie, "also take the key from this cookie, such as api_key; empty for not at all")
	flags.StringVar(&s.BodyProperty, "credential-body", s.BodyProperty,
		"also take the key from this property at the top level of a JSON body, such as api_key, where the proxy sends the body along over gRPC; "+
			"empty for not at all")
	flags.StringVar(&s.Realm, "realm", s.Realm, "realm in WWW-Authenticate")
	flags.StringSliceVar(&s.TrustedProxies, "trusted-proxies", s.TrustedProxies,
		"networks and addresses of further proxies whose word counts in X-Forwarded-For, such as 10.0.0.0/8,2001:db8::/32: "+
			"the client's address is the right-most one that is in none of them; not used by /auth/nginx")
}

func (f *verifierFlags) registerConnections(flags *pflag.FlagSet) {
	s := &f.connections
	flags.IntVar(&s.MaxHeaderBytes, "max-header-bytes", s.MaxHeaderBytes,
		"longest request line and headers together; must hold what the proxy passes on of its clients' headers")
	flags.IntVar(&s.MaxBodyBytes, "max-body-bytes", s.MaxBodyBytes, "longest request body; none is needed")
	flags.IntVar(&s.MaxConnections, "max-connections", s.MaxConnections,
		"how many connections are served at once, others wait; each takes some 10 KiB of memory, and where other than plain requests come max-header-bytes more, up to three times that after long headers")
	flags.DurationVar(&s.ReadTimeout, "read-timeout", s.ReadTimeout, "how long a request may take to arrive")
	flags.DurationVar(&s.WriteTimeout, "write-timeout", s.WriteTimeout, "how long an answer may take to be taken")
	flags.DurationVar(&s.IdleTimeout, "idle-timeout", s.IdleTimeout,
		"how long a connection is kept without a request; longer than the proxy keeps it, so that the proxy closes first")
}

func (f *verifierFlags) validate() error {
	if f.drainDelay < 0 || f.drainDelay > maxDrainDelay {
		return usagef("--drain-delay: %s is out of range: give 0s to %s", f.drainDelay, maxDrainDelay)
	}
	addresses := map[string]string{"bind-address": f.bindAddress, "metrics-bind-address": f.metricsAddress}
	if f.grpc.wanted() {
		addresses["grpc-bind-address"] = f.grpc.bindAddress
	}
	if err := checkAddresses(addresses); err != nil {
		return err
	}
	if err := validateMaxStaleness(f.maxStaleness); err != nil {
		return err
	}
	if err := validateNamespaces(f.namespaces); err != nil {
		return err
	}
	for _, settings := range []interface{ Validate() error }{f.gate, f.connections, f.grpc.settings, f.decisionLog, f.tls, f.tracing} {
		if err := settings.Validate(); err != nil {
			return usageError{err}
		}
	}
	return f.rateLimits.validate()
}
