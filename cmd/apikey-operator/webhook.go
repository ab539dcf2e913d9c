package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/apikey-operator/apikey-operator/controllers/apikey"
	"github.com/apikey-operator/apikey-operator/controllers/policy"
	"github.com/apikey-operator/apikey-operator/controllers/webhookcert"
	"github.com/apikey-operator/apikey-operator/internal/admission"
)

// webhookFlags are those of the admission webhook, which every manager serves, whether it leads or not.
type webhookFlags struct {
	address string
	certDir string
	service string
	// restoreIdentities may say themselves who created and changed what they restore.
	restoreIdentities []string
}

func (f *webhookFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.address, "webhook-bind-address", ":9443", "address that serves the admission webhook over HTTPS; 0 for none")
	flags.StringVar(&f.certDir, "webhook-cert-dir", "",
		"directory with the webhook's tls.crt and tls.key, such as a mounted Secret of cert-manager; where empty, the manager makes and "+
			"rotates certificates, and puts their CAs into the webhook configurations")
	flags.StringVar(&f.service, "webhook-service", "apikey-operator-webhook",
		"name of the Service through which API servers reach the webhook, in the manager's namespace; the certificates are made for it")
	flags.StringSliceVar(&f.restoreIdentities, "restore-identities", nil,
		"users that may say themselves who created and changed the ApiKeys that they write, such as system:serviceaccount:velero:velero, "+
			"where the webhook stamps that; the admission policies have lists of their own")
}

func (f *webhookFlags) enabled() bool { return f.address != "0" }

// validate looks at what checkAddresses does not; namespace is the manager's, as far as it can be told.
func (f *webhookFlags) validate(namespace string) error {
	if !f.enabled() {
		return nil
	}
	if _, port, _ := net.SplitHostPort(f.address); port == "0" {
		return usagef("--webhook-bind-address: give a port, since API servers must know it, or 0 alone for no webhook")
	}
	if f.certDir != "" {
		return nil
	}
	if problems := validation.IsDNS1123Label(f.service); len(problems) > 0 {
		return usagef("--webhook-service: %q is no name of a Service: %s", f.service, strings.Join(problems, "; "))
	}
	if namespace == "" {
		return usagef("--leader-election-namespace: say which namespace is the manager's, since this is no pod: the webhook's " +
			"certificates are kept there; or give --webhook-bind-address=0")
	}
	return nil
}

// How many live looks the webhook may take before it refuses anything: far fewer than the manager may ask of the
// API server.
const (
	liveLooksPerSecond = 20
	liveLooksAtOnce    = 40
)

// addWebhook has the manager serve the admission webhook.
func (f *managerFlags) addWebhook(ctx context.Context, manager ctrl.Manager, book *policy.Book) error {
	if !f.webhook.enabled() {
		return nil
	}
	server, err := f.webhook.newServer(ctx, manager, f.namespace())
	if err != nil {
		return err
	}
	for path, handler := range admission.Handlers(f.admissionOptions(manager, book)) {
		server.Register(path, handler)
	}
	if err := manager.AddReadyzCheck("webhook", server.StartedChecker()); err != nil {
		return err
	}
	return manager.Add(server)
}

// admissionOptions have the webhook look at what the controllers look at, and judge as they do.
func (f *managerFlags) admissionOptions(manager ctrl.Manager, book *policy.Book) admission.Options {
	cached, live := manager.GetClient(), manager.GetAPIReader()
	return admission.Options{
		Cached:            admission.Look{Judge: book, Duplicates: apikey.Duplicates{Cached: cached}},
		Live:              admission.Look{Judge: book.Over(live), Duplicates: apikey.Duplicates{Cached: cached, Live: live}},
		LiveLooks:         rate.NewLimiter(liveLooksPerSecond, liveLooksAtOnce),
		Rotation:          book.CheckRotation,
		Policies:          book,
		RestoreIdentities: f.webhook.restoreIdentities,
		Clock:             clock.RealClock{},
		Metrics:           admission.NewMetrics(metrics.Registry),
	}
}

// newServer makes the server and sees to its certificates.
func (f *webhookFlags) newServer(ctx context.Context, manager ctrl.Manager, namespace string) (webhook.Server, error) {
	getCertificate, err := f.certificates(ctx, manager, namespace)
	if err != nil {
		return nil, err
	}
	if err := metrics.Registry.Register(webhookcert.NewExpiryCollector(getCertificate)); err != nil {
		return nil, err
	}
	host, portText, err := net.SplitHostPort(f.address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	return webhook.NewServer(webhook.Options{Host: host, Port: port, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
		c.GetCertificate = getCertificate
		c.MinVersion = tls.VersionTLS12 // what API servers in FIPS mode may be held to
		// Nothing here gains by HTTP/2, and its resets of streams have been used to exhaust servers.
		c.NextProtos = []string{"http/1.1"}
	}}}), nil
}

// certificates are what is served: those in a directory, or those that the manager makes.
func (f *webhookFlags) certificates(
	ctx context.Context, manager ctrl.Manager, namespace string,
) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	if f.certDir != "" {
		watcher, err := certwatcher.New(filepath.Join(f.certDir, corev1.TLSCertKey), filepath.Join(f.certDir, corev1.TLSPrivateKeyKey))
		if err != nil {
			return nil, fmt.Errorf("--webhook-cert-dir: %w", err)
		}
		return watcher.GetCertificate, manager.Add(watcher)
	}
	served, err := webhookcert.SetupWithManager(ctx, manager, webhookcert.Options{
		Secret:        types.NamespacedName{Namespace: namespace, Name: webhookcert.DefaultSecretName},
		Configuration: webhookcert.DefaultConfigurationName,
		DNSName:       f.service + "." + namespace + ".svc",
		Durations:     webhookcert.DefaultDurations(),
		Clock:         clock.RealClock{},
	})
	if err != nil {
		return nil, fmt.Errorf("set the webhook's certificates up: %w", err)
	}
	return served.GetCertificate, manager.AddReadyzCheck("webhook-certificate", served.Ready)
}

// namespace is the manager's own; empty where that cannot be told.
func (f *managerFlags) namespace() string {
	if f.leaderElectionNamespace != "" {
		return f.leaderElectionNamespace
	}
	text, err := os.ReadFile(podNamespaceFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
