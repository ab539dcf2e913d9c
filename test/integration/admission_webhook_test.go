package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/admission"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// webhookServer serves handlers of admission to the API server until the test ends.
type webhookServer struct {
	address string
	trusted []byte // the certificate, in PEM
}

func serveWebhook(t *testing.T, handlers map[string]http.Handler) webhookServer {
	t.Helper()
	address, err := stack.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		t.Fatal(err)
	}
	certificate, trusted := throwAwayCertificate(t, net.ParseIP(host))
	server := webhook.NewServer(webhook.Options{Host: host, Port: port, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil }
	}}})
	for path, handler := range handlers {
		server.Register(path, handler)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the webhook's server ended with %v", err)
		}
	})
	return webhookServer{address, trusted}
}

func throwAwayCertificate(t *testing.T, address net.IP) (*tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{address}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// webhookLabel is on what a test's webhooks are asked about: namespaces, and policies, which live in none.
const webhookLabel = "webhook-of-test"

func (s webhookServer) reached(path string) admissionregistrationv1.WebhookClientConfig {
	return admissionregistrationv1.WebhookClientConfig{URL: new("https://" + s.address + path), CABundle: s.trusted}
}

func rulesFor(resource string, operations ...admissionregistrationv1.OperationType) []admissionregistrationv1.RuleWithOperations {
	return []admissionregistrationv1.RuleWithOperations{{
		Operations: operations,
		Rule: admissionregistrationv1.Rule{
			APIGroups: []string{v1alpha1.GroupName}, APIVersions: []string{"*"}, Resources: []string{resource},
		},
	}}
}

// register has the API server ask about what carries the label with a value.
func (s webhookServer) register(t *testing.T, name string, onFailure admissionregistrationv1.FailurePolicyType) {
	t.Helper()
	marked := &metav1.LabelSelector{MatchLabels: map[string]string{webhookLabel: name}}
	none, v1, timeout := admissionregistrationv1.SideEffectClassNone, []string{"v1"}, int32(10)
	validate := func(name, path string) admissionregistrationv1.ValidatingWebhook {
		return admissionregistrationv1.ValidatingWebhook{
			Name: name, ClientConfig: s.reached(path), FailurePolicy: &onFailure, SideEffects: &none, AdmissionReviewVersions: v1, TimeoutSeconds: &timeout,
		}
	}
	keys := validate("apikeys.test.example", admission.ValidateApiKeyPath)
	keys.Rules, keys.NamespaceSelector = rulesFor("apikeys", "CREATE", "UPDATE"), marked
	policies := validate("apikeypolicies.test.example", admission.ValidateApiKeyPolicyPath)
	policies.Rules, policies.ObjectSelector = rulesFor("apikeypolicies", "CREATE", "UPDATE", "DELETE"), marked
	for _, object := range []client.Object{
		&admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []admissionregistrationv1.ValidatingWebhook{keys, policies},
		},
		&admissionregistrationv1.MutatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []admissionregistrationv1.MutatingWebhook{{
				Name: "stamps.test.example", ClientConfig: s.reached(admission.MutateApiKeyPath), FailurePolicy: &onFailure, SideEffects: &none,
				AdmissionReviewVersions: v1, TimeoutSeconds: &timeout, NamespaceSelector: marked, Rules: rulesFor("apikeys", "CREATE", "UPDATE"),
			}},
		},
	} {
		as := admin(t).client(t)
		if err := as.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := as.Delete(context.Background(), object); err != nil {
				t.Errorf("remove the webhook configuration: %v", err)
			}
		})
	}
}
