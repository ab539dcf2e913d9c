package integration

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/apikey-operator/apikey-operator/controllers/webhookcert"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// webhookLab is a webhook of its own, which the API server really calls, for the ApiKeys of one namespace. Its Service
// leads to this machine, as there is no network of Services here.
type webhookLab struct {
	t         *testing.T
	admin     client.Client
	namespace string
	options   webhookcert.Options
}

const webhookService = "webhook"

func newWebhookLab(t *testing.T, durations webhookcert.Durations) *webhookLab {
	t.Helper()
	l := &webhookLab{t: t, admin: admin(t).client(t), namespace: freshNamespace(t)}
	l.options = webhookcert.Options{
		Secret:        types.NamespacedName{Namespace: l.namespace, Name: "webhook-cert"},
		Configuration: l.namespace,
		DNSName:       webhookService + "." + l.namespace + ".svc",
		Durations:     durations,
		Clock:         clock.RealClock{},
	}
	l.must(l.admin.Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: webhookService},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}))
	return l
}

func (l *webhookLab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *webhookLab) await(what string, done func() (bool, error)) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), settleTimeout)
	defer cancel()
	if err := poll(ctx, done); err != nil {
		l.t.Fatalf("wait for %s: %v", what, err)
	}
}

// validate has the API server ask replicas about the namespace's ApiKeys, and refuse what cannot be asked about.
func (l *webhookLab) validate(replicas ...*replica) *admissionv1.ValidatingWebhookConfiguration {
	l.t.Helper()
	configuration := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: l.options.Configuration}}
	for i, r := range replicas {
		configuration.Webhooks = append(configuration.Webhooks, admissionv1.ValidatingWebhook{
			Name: fmt.Sprintf("validate-%d.example.com", i), ClientConfig: l.clientConfig(r), Rules: apiKeyWrites(),
			NamespaceSelector: l.ownNamespace(), FailurePolicy: new(admissionv1.Fail), SideEffects: new(admissionv1.SideEffectClassNone),
			TimeoutSeconds: new(int32(10)), AdmissionReviewVersions: []string{"v1"},
		})
	}
	l.create(configuration)
	return configuration
}

// mutate is validate for a mutating webhook.
func (l *webhookLab) mutate(r *replica) {
	l.t.Helper()
	l.create(&admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: l.options.Configuration},
		Webhooks: []admissionv1.MutatingWebhook{{
			Name: "mutate.example.com", ClientConfig: l.clientConfig(r), Rules: apiKeyWrites(),
			NamespaceSelector: l.ownNamespace(), FailurePolicy: new(admissionv1.Fail), SideEffects: new(admissionv1.SideEffectClassNone),
			TimeoutSeconds: new(int32(10)), AdmissionReviewVersions: []string{"v1"},
		}},
	})
}

// create makes a configuration, and removes it at the end, before the namespace's ApiKeys.
func (l *webhookLab) create(configuration client.Object) {
	l.t.Helper()
	l.must(l.admin.Create(l.t.Context(), configuration))
	l.t.Cleanup(func() {
		if err := l.admin.Delete(context.WithoutCancel(l.t.Context()), configuration); err != nil {
			l.t.Error(err)
		}
	})
}

func (l *webhookLab) clientConfig(r *replica) admissionv1.WebhookClientConfig {
	return admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{
		Namespace: l.namespace, Name: webhookService, Path: new("/admit"), Port: new(int32(r.port)),
	}}
}

func (l *webhookLab) ownNamespace() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: l.namespace}}
}

func apiKeyWrites() []admissionv1.RuleWithOperations {
	return []admissionv1.RuleWithOperations{{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		Rule:       admissionv1.Rule{APIGroups: []string{"apikey-operator.dev"}, APIVersions: []string{"v1alpha1"}, Resources: []string{"apikeys"}},
	}}
}

// replica is a manager that serves the webhook: it allows everything, and remembers what it was asked about.
type replica struct {
	port   int
	source *webhookcert.Source
	lag    time.Duration

	mutex   sync.Mutex
	asked   map[string]bool // by description
	taken   []takenCertificate
	issuers map[string]bool // whose certificates were served
	served  map[string]bool
}

// takenCertificate is one that the source gave, and since when.
type takenCertificate struct {
	certificate *tls.Certificate
	since       time.Time
}

// startReplica runs a manager, as somebody, until the test ends. It leads without asking; and it serves each
// certificate only some time after it could.
func (l *webhookLab) startReplica(as identity, lag time.Duration) *replica {
	l.t.Helper()
	address, err := stack.FreeAddress()
	l.must(err)
	_, port, err := net.SplitHostPort(address)
	l.must(err)
	r := &replica{lag: lag, asked: map[string]bool{}, issuers: map[string]bool{}, served: map[string]bool{}}
	r.port, err = strconv.Atoi(port)
	l.must(err)

	o := ctrl.Options{Scheme: l.admin.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"}}
	o.Controller.SkipNameValidation = new(true)
	m, err := ctrl.NewManager(as.config, o)
	l.must(err)
	ctx, stop := context.WithCancel(l.t.Context())
	r.source, err = webhookcert.SetupWithManager(ctx, m, l.options)
	l.must(err)
	l.must(m.Add(r.server()))
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	l.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			l.t.Errorf("a manager ended with %v", err)
		}
	})
	return r
}

// server closes each connection after one answer, so that each request is a handshake of its own.
func (r *replica) server() webhook.Server {
	server := webhook.NewServer(webhook.Options{Host: "localhost", Port: r.port, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
		c.GetCertificate = r.getCertificate
		c.NextProtos = []string{"http/1.1"}
	}}})
	handler := &webhook.Admission{Handler: admission.HandlerFunc(r.allow)}
	server.Register("/admit", http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Connection", "close")
		handler.ServeHTTP(w, request)
	}))
	return server
}

func (r *replica) allow(_ context.Context, request admission.Request) admission.Response {
	var object struct {
		Spec struct{ Description string }
	}
	if err := json.Unmarshal(request.Object.Raw, &object); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.asked[object.Spec.Description] = true
	return admission.Allowed("")
}

// getCertificate gives the last certificate that is old news, or else the first.
func (r *replica) getCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	current, err := r.source.GetCertificate(hello)
	if err != nil {
		return nil, err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if n := len(r.taken); n == 0 || r.taken[n-1].certificate != current {
		r.taken = append(r.taken, takenCertificate{current, time.Now()})
	}
	chosen := r.taken[0].certificate
	for _, t := range r.taken {
		if time.Since(t.since) >= r.lag {
			chosen = t.certificate
		}
	}
	r.issuers[hex.EncodeToString(chosen.Leaf.AuthorityKeyId)] = true
	r.served[hex.EncodeToString(chosen.Leaf.SubjectKeyId)+chosen.Leaf.NotAfter.String()] = true
	return chosen, nil
}

// counts are how many CAs have signed what was served, and how many certificates that was.
func (r *replica) counts() (issuers, certificates int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return len(r.issuers), len(r.served)
}

func (r *replica) wasAskedAbout() map[string]bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return maps.Clone(r.asked)
}

// awaitCalls waits until an ApiKey comes through, and has been seen by the replicas.
func (l *webhookLab) awaitCalls(replicas ...*replica) {
	l.t.Helper()
	for _, r := range replicas {
		l.await("a certificate", func() (bool, error) { return r.source.Ready(nil) == nil, nil })
	}
	attempt := 0
	l.await("the API server to call the webhook", func() (bool, error) {
		attempt++
		description := fmt.Sprintf("attempt %d", attempt)
		probe := create(l.namespace, apiKey("probe", asJSON(map[string]string{"description": description})))
		probe.query.Set("dryRun", "All")
		if _, err := admin(l.t).do(l.t.Context(), probe); err != nil {
			return false, nil //nolint:nilerr // it fails as long as what is waited for is not there
		}
		return !slices.ContainsFunc(replicas, func(r *replica) bool { return !r.wasAskedAbout()[description] }), nil
	})
}

func (l *webhookLab) secret() *corev1.Secret {
	l.t.Helper()
	secret := &corev1.Secret{}
	l.must(l.admin.Get(l.t.Context(), l.options.Secret, secret))
	return secret
}
