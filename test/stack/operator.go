package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Options say how a manager or a verifier is started.
type Options struct {
	// Name tells processes of one stack apart, in their logs too. Default: manager or verifier.
	Name string
	// Server is the API server's URL where it is not to be reached directly.
	Server string
	// TokenOf names another process of the same program, whose token is used. Where empty, the API server
	// is asked for a token.
	TokenOf string
	// LogLevel is one of DEBUG, INFO, WARN, ERROR. Default: INFO.
	LogLevel string
	// Args are further flags.
	Args []string
	// Env are further variables of its environment, each as NAME=VALUE.
	Env []string
}

func (o Options) withDefaults(program string) Options {
	if o.Name == "" {
		o.Name = program
	}
	if o.LogLevel == "" {
		o.LogLevel = "INFO"
	}
	return o
}

// Manager is a running manager.
type Manager struct {
	*Process

	Metrics string // host:port of /metrics
	Health  string // host:port of /healthz and /readyz
	Webhook string // host:port of the admission webhook
}

// Verifier is a running verifier.
type Verifier struct {
	*Process

	Address string // host:port for proxies that ask over HTTP
	GRPC    string // host:port for those that ask over gRPC
	Metrics string // host:port of /metrics, /healthz and /readyz
}

// StartManager starts a manager with a token of its ServiceAccount, and returns when it is ready; it may
// still have to wait for another one's lease.
func (s *Stack) StartManager(ctx context.Context, o Options) (*Manager, error) {
	m, err := s.LaunchManager(ctx, o)
	if err != nil {
		return nil, err
	}
	return m, m.await(ctx, m.Name+" to be ready", startTimeout, m.Ready)
}

// LaunchManager starts a manager and returns when the process lives, ready or not.
func (s *Stack) LaunchManager(ctx context.Context, o Options) (*Manager, error) {
	o = o.withDefaults("manager")
	m := &Manager{}
	if err := freeAddresses(&m.Metrics, &m.Health, &m.Webhook); err != nil {
		return nil, err
	}
	var err error
	m.Process, err = s.startOperator(ctx, "manager", ManagerAccount, o,
		"--leader-elect=true", "--leader-election-namespace", SystemNamespace,
		"--metrics-bind-address", m.Metrics, "--health-probe-bind-address", m.Health, "--webhook-bind-address", m.Webhook)
	if err != nil {
		return nil, err
	}
	return m, m.await(ctx, o.Name+" to be alive", startTimeout, func(ctx context.Context) error {
		return Healthy(ctx, "http://"+m.Health+"/healthz")
	})
}

// Ready is nil when the manager says that it is ready.
func (m *Manager) Ready(ctx context.Context) error {
	return Healthy(ctx, "http://"+m.Health+"/readyz")
}

// Leads says whether the manager leads, by its own metrics.
func (m *Manager) Leads(ctx context.Context) (bool, error) {
	metrics, err := Scrape(ctx, m.Metrics)
	return metrics[`leader_election_master_status{name="apikey-operator-manager"}`] == 1, err
}

// StartVerifier starts a verifier with a token of its ServiceAccount, and returns when it is ready.
func (s *Stack) StartVerifier(ctx context.Context, o Options) (*Verifier, error) {
	v, err := s.LaunchVerifier(ctx, o)
	if err != nil {
		return nil, err
	}
	return v, v.await(ctx, v.Name+" to be ready", startTimeout, v.Ready)
}

// LaunchVerifier starts a verifier and returns when the process lives, ready or not.
func (s *Stack) LaunchVerifier(ctx context.Context, o Options) (*Verifier, error) {
	o = o.withDefaults("verifier")
	v := &Verifier{}
	if err := freeAddresses(&v.Address, &v.GRPC, &v.Metrics); err != nil {
		return nil, err
	}
	var err error
	v.Process, err = s.startOperator(ctx, "verifier", VerifierAccount, o,
		"--bind-address", v.Address, "--grpc-bind-address", v.GRPC, "--metrics-bind-address", v.Metrics)
	if err != nil {
		return nil, err
	}
	return v, v.await(ctx, v.Name+" to be alive", startTimeout, func(ctx context.Context) error {
		return Healthy(ctx, "http://"+v.Metrics+"/healthz")
	})
}

// Ready is nil when the verifier says that it is ready.
func (v *Verifier) Ready(ctx context.Context) error {
	return Healthy(ctx, "http://"+v.Metrics+"/readyz")
}

func (s *Stack) startOperator(ctx context.Context, program, account string, o Options, args ...string) (*Process, error) {
	kubeconfig := s.kubeconfigPath(o.TokenOf)
	if o.TokenOf == "" {
		kubeconfig = s.kubeconfigPath(o.Name)
		if err := s.writeKubeconfig(ctx, kubeconfig, account, o.Server); err != nil {
			return nil, err
		}
	}
	args = append([]string{program, "--kubeconfig", kubeconfig, "--log-level", o.LogLevel}, args...)
	args = append(append([]string{s.Tools.Operator}, args...), o.Args...)
	return s.start(o.Name, "env", append(slices.Clone(o.Env), args...)...) // env becomes the operator
}

func freeAddresses(addresses ...*string) error {
	for _, address := range addresses {
		var err error
		if *address, err = FreeAddress(); err != nil {
			return err
		}
	}
	return nil
}

// client opens a connection for each request, so that it never talks to a process that was replaced.
var client = &http.Client{
	Timeout:   10 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// Healthy is nil when url answers 200.
func Healthy(ctx context.Context, url string) error {
	_, err := Fetch(ctx, url)
	return err
}

// Fetch returns what url answers with 200.
func Fetch(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("read the answer of %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s: %s", url, response.Status, body)
	}
	return string(body), nil
}
