package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apikey"
	"github.com/apikey-operator/apikey-operator/controllers/policy"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	policyengine "github.com/apikey-operator/apikey-operator/internal/policy"
	"github.com/apikey-operator/apikey-operator/internal/serverclock"
)

// The timing of leader election, and what follows from it. After its last renewal a leader works on for
// the retry period and the renew deadline, and another can take over after the lease duration: what lies
// between is how old the look may be that a write is decided on. A write that was sent may land for up to
// two lease durations.
const (
	leaseDuration = 20 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
	writeWindow   = leaseDuration - renewDeadline - retryPeriod
	fence         = 2 * leaseDuration
)

// recount is how long ApiKeys may change before the numbers in the status of policies follow.
const recount = 3 * time.Second

// The bounds of flags.
const (
	maxPublishDelay   = 20 * time.Second
	maxExpiringWindow = 8760 * time.Hour
	minQPS            = 20 // below, requests of one write wait for longer than what it was decided on stays true
	maxQPS            = 10_000
)

const leaseName = "apikey-operator-manager"

type managerFlags struct {
	commonFlags
	leaderElection          bool
	leaderElectionNamespace string
	metricsAddress          string
	healthAddress           string
	publishDelay            time.Duration
	expiringWindow          time.Duration
	restoreMode             bool
	defaultPolicy           defaultPolicy
	qps                     float32
	burst                   int
	webhook                 webhookFlags
	namespaces              []string
}

// defaultPolicy is a default by its name.
type defaultPolicy policyengine.Default

var defaultPolicies = map[string]policyengine.Default{"deny": policyengine.DenyByDefault, "allow": policyengine.AllowByDefault}

// String implements pflag.Value.
func (d *defaultPolicy) String() string {
	for name, value := range defaultPolicies {
		if value == policyengine.Default(*d) {
			return name
		}
	}
	return ""
}

// Type implements pflag.Value.
func (*defaultPolicy) Type() string { return "policy" }

// Set implements pflag.Value.
func (d *defaultPolicy) Set(name string) error {
	value, ok := defaultPolicies[name]
	if !ok {
		return errors.New("give deny or allow")
	}
	*d = defaultPolicy(value)
	return nil
}

func newManagerCommand() *cobra.Command {
	f := &managerFlags{}
	command := &cobra.Command{
		Use:   "manager",
		Short: "Issues API keys for ApiKey resources",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return runManager(c.Context(), f) },
	}
	flags := command.Flags()
	f.register(flags)
	flags.BoolVar(&f.leaderElection, "leader-elect", true,
		"let one of several managers work at a time")
	flags.StringVar(&f.leaderElectionNamespace, "leader-election-namespace", "",
		"namespace of the lease; where empty, the one that the pod runs in")
	flags.StringVar(&f.metricsAddress, "metrics-bind-address", ":8080", "address that serves /metrics over HTTP; 0 for none")
	flags.StringVar(&f.healthAddress, "health-probe-bind-address", ":8081", "address that serves /healthz and /readyz; 0 for none")
	flags.DurationVar(&f.publishDelay, "publish-delay", 2*time.Second,
		"how long the hash of a new key is given to reach the verifiers before the key is put into its Secret; 0s to 20s")
	flags.DurationVar(&f.expiringWindow, "expiring-window", 30*24*time.Hour,
		"how long before its expiry a key is reported as expiring; 0s to 8760h")
	flags.BoolVar(&f.restoreMode, "restore-mode", false,
		"after a restore from a backup, with the manager stopped meanwhile: where an ApiKey has lost its status, go on with the key that its "+
			"Secret holds instead of issuing another; switch it off when that is done, since whoever can write Secrets can choose keys until then")
	flags.Var(&f.defaultPolicy, "default-policy",
		"what becomes of ApiKeys in namespaces that no ApiKeyPolicy selects: deny, or allow, which still refuses spec.source and the permission *")
	flags.Float32Var(&f.qps, "kube-api-qps", 200,
		"how many requests a second to send to the API server at most, 20 to 10000, those for the lease apart; rotations that are due wait for their turn")
	flags.IntVar(&f.burst, "kube-api-burst", 400, "how many requests to send at once after a quiet time")
	f.webhook.register(flags)
	registerNamespaces(flags, &f.namespaces)
	return command
}

func (f *managerFlags) validate() error {
	if f.publishDelay < 0 || f.publishDelay > maxPublishDelay {
		return usagef("--publish-delay: %s is out of range: give 0s to %s", f.publishDelay, maxPublishDelay)
	}
	if f.expiringWindow < 0 || f.expiringWindow > maxExpiringWindow {
		return usagef("--expiring-window: %s is out of range: give 0s to %s", f.expiringWindow, maxExpiringWindow)
	}
	if f.qps < minQPS || f.qps > maxQPS {
		return usagef("--kube-api-qps: %g is out of range: give %d to %d", f.qps, minQPS, maxQPS)
	}
	if f.burst < 1 || f.burst > maxQPS {
		return usagef("--kube-api-burst: %d is out of range: give 1 to %d", f.burst, maxQPS)
	}
	addresses := map[string]string{"metrics-bind-address": f.metricsAddress, "health-probe-bind-address": f.healthAddress, "webhook-bind-address": f.webhook.address}
	maps.DeleteFunc(addresses, func(_, address string) bool { return address == "0" })
	if err := checkAddresses(addresses); err != nil {
		return err
	}
	if f.leaderElection && f.leaderElectionNamespace == "" && !inPod() {
		return usagef("--leader-election-namespace: say in which namespace the lease is, since this is no pod; " +
			"or give --leader-elect=false where there is never a second manager")
	}
	if err := f.validateNamespaces(); err != nil {
		return err
	}
	return f.webhook.validate(f.namespace())
}

// validateNamespaces refuses what a manager has no right to that looks after some namespaces.
func (f *managerFlags) validateNamespaces() error {
	if err := validateNamespaces(f.namespaces); err != nil || len(f.namespaces) == 0 {
		return err
	}
	if policyengine.Default(f.defaultPolicy) != policyengine.AllowByDefault {
		return usagef("--default-policy: give allow with --watch-namespaces: ApiKeyPolicies stand in no namespace, so none is read, and deny " +
			"would refuse every ApiKey")
	}
	if f.webhook.enabled() {
		return usagef("--webhook-bind-address: give 0 with --watch-namespaces: the webhook goes by ApiKeyPolicies, and puts its CA into webhook " +
			"configurations; both take rights in the whole cluster")
	}
	return nil
}

// podNamespaceFile holds a pod's namespace.
const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// inPod says whether the namespace can be told from the service account that a pod has.
func inPod() bool {
	_, err := os.Stat(podNamespaceFile)
	return err == nil
}

func runManager(ctx context.Context, f *managerFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	logger := f.newLogger()
	config, err := f.restConfig()
	if err != nil {
		return err
	}
	var offset serverclock.Offset
	config.Wrap(offset.Observe(clock.RealClock{}))
	options := f.managerOptions()
	options.LeaderElectionConfig = rest.CopyConfig(config) // a lease must not wait for its turn
	// One limiter for all clients; each would make one of its own from the numbers alone.
	config.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(f.qps, f.burst)
	manager, err := ctrl.NewManager(config, options)
	if err != nil {
		return fmt.Errorf("set the manager up: %w", err)
	}
	book := f.newBook(manager.GetClient())
	if err := f.addControllers(ctx, manager, book, &offset); err != nil {
		return err
	}
	if err := f.addWebhook(ctx, manager, book); err != nil {
		return err
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	informed, err := reportInformed(manager)
	if err != nil {
		return err
	}
	if f.restoreMode {
		logger.Warn("restore mode: keys are taken over from Secrets whose ApiKey has no status; switch it off when the restore is done")
	}
	logger.Info("starting the manager", "version", version, "watching", whereabouts(f.namespaces))
	return informed.run(ctx, manager)
}

// newBook judges by the cluster's policies, or by the default alone where only namespaces may be read.
func (f *managerFlags) newBook(reader client.Reader) *policy.Book {
	byDefault := policyengine.Default(f.defaultPolicy)
	if len(f.namespaces) > 0 {
		return policy.NewBlankBook(byDefault)
	}
	return policy.NewBook(reader, byDefault)
}

func (f *managerFlags) managerOptions() ctrl.Options {
	lease, renew, retry := leaseDuration, renewDeadline, retryPeriod
	caches := apikey.CacheOptions()
	caches.DefaultNamespaces = cached(f.namespaces)
	return ctrl.Options{
		Scheme:                  newScheme(),
		Cache:                   caches,
		Client:                  apikey.ClientOptions(),
		Metrics:                 metricsserver.Options{BindAddress: f.metricsAddress},
		HealthProbeBindAddress:  f.healthAddress,
		LeaderElection:          f.leaderElection,
		LeaderElectionID:        leaseName,
		LeaderElectionNamespace: f.leaderElectionNamespace,
		// The lease is left to run out: it would also be released by a leader that could not renew it, while
		// that one's last writes are under way.
		LeaderElectionReleaseOnCancel: false,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
	}
}

func (f *managerFlags) addControllers(ctx context.Context, manager ctrl.Manager, book *policy.Book, offset *serverclock.Offset) error {
	reconciler := apikey.New(apikey.Options{
		Cached:  manager.GetClient(),
		Live:    manager.GetAPIReader(),
		Writer:  manager.GetClient(),
		Clock:   clock.RealClock{},
		Random:  rand.Reader,
		Events:  manager.GetEventRecorder("apikey-operator"),
		Metrics: apikey.NewMetrics(metrics.Registry),
		Settings: lifecycle.Settings{
			PublishDelay:   f.publishDelay,
			Fence:          fence,
			ExpiringWindow: f.expiringWindow,
		},
		Judge:       book,
		WriteWindow: writeWindow,
		ClockOffset: offset.Get,
		RestoreMode: f.restoreMode,
	})
	if err := reconciler.SetupWithManager(ctx, manager, book); err != nil {
		return fmt.Errorf("set the controller of ApiKeys up: %w", err)
	}
	if !book.IsBlank() {
		policies := &policy.Reconciler{Book: book, Writer: manager.GetClient(), Clock: clock.RealClock{}, Recount: recount}
		if err := policies.SetupWithManager(manager); err != nil {
			return fmt.Errorf("set the controller of ApiKeyPolicies up: %w", err)
		}
	}
	if err := metrics.Registry.Register(apikey.NewClockGauge(offset.Get)); err != nil {
		return err
	}
	return metrics.Registry.Register(apikey.NewCollector(manager.GetClient(), clock.RealClock{}))
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	// Both only fail where two types claim one name, which no input can bring about.
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return scheme
}
