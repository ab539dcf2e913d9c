package webhookcert

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const testDNSName = "webhook.operator.svc"

var testIssuer = issuer{dnsName: testDNSName, durations: DefaultDurations()}

// soundSecret is a copy of a Secret in which all is as it should be, and has settled.
func soundSecret(t *testing.T) *corev1.Secret {
	t.Helper()
	return madeSecret().DeepCopy()
}

// madeSecret and strangers are made once: making keys takes a while.
var madeSecret = sync.OnceValue(func() *corev1.Secret { return newSecret(testIssuer) })

var strangers = sync.OnceValue(func() *corev1.Secret {
	return newSecret(issuer{dnsName: "elsewhere.operator.svc", durations: DefaultDurations()})
})

func newSecret(i issuer) *corev1.Secret {
	var c contents
	if _, _, err := i.bringUpToDate(&c, noon); err != nil {
		panic(err) // only where there is no randomness
	}
	c.injectedAt = noon
	secret := &corev1.Secret{}
	c.writeTo(secret)
	return secret
}

// later is when all that was made at noon has settled.
var later = noon.Add(2 * time.Hour)

// mend does with a Secret what the reconciler does, and says whether that changed it.
func mend(t *testing.T, secret *corev1.Secret) (steps []StepKind, changed bool) {
	t.Helper()
	c := read(secret, testDNSName)
	steps, _, err := testIssuer.bringUpToDate(&c, later)
	if err != nil {
		t.Fatal(err)
	}
	return steps, c.writeTo(secret)
}

func TestWhatIsSoundIsLeftAlone(t *testing.T) {
	if steps, changed := mend(t, soundSecret(t)); changed || len(steps) > 0 {
		t.Errorf("the steps %v were taken, changed: %v", steps, changed)
	}
}

func TestWhatSomebodyDamagedIsMended(t *testing.T) {
	put := func(key, value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[key] = []byte(value) }
	}
	cases := map[string]struct {
		damage    func(*corev1.Secret)
		wantSteps []StepKind
	}{
		"no data":                         {func(s *corev1.Secret) { s.Data = nil }, []StepKind{AddAuthority, Sign}},
		"a certificate that is garbage":   {put("tls.crt", "garbage"), []StepKind{Sign}},
		"a certificate that is PEM alone": {put("tls.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []StepKind{Sign}},
		"a key that is garbage":           {put("tls.key", "garbage"), []StepKind{Sign}},
		"another's key":                   {put("tls.key", string(strangers().Data["tls.key"])), []StepKind{Sign}},
		"another's certificate and key, for another name": {
			func(s *corev1.Secret) {
				s.Data["tls.crt"], s.Data["tls.key"] = strangers().Data["tls.crt"], strangers().Data["tls.key"]
			}, []StepKind{Sign},
		},
		"all of another, for another name": {
			func(s *corev1.Secret) { s.Data = strangers().DeepCopy().Data }, []StepKind{Sign},
		},
		"no CA":                      {put("ca.crt", ""), []StepKind{AddAuthority, Sign}},
		"a CA that is garbage":       {put("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []StepKind{AddAuthority, Sign}},
		"a CA's key that is garbage": {put("ca.key", "garbage"), []StepKind{AddAuthority}},
		"another CA's key":           {put("ca.key", string(strangers().Data["ca.key"])), []StepKind{AddAuthority}},
		"a certificate that is not a CA's": {
			func(s *corev1.Secret) { s.Data["ca.crt"] = append(s.Data["tls.crt"], s.Data["ca.crt"]...) }, nil,
		},
		"words around the CA":    {func(s *corev1.Secret) { s.Data["ca.crt"] = append([]byte("# ours\n"), s.Data["ca.crt"]...) }, nil},
		"a CA twice":             {func(s *corev1.Secret) { s.Data["ca.crt"] = append(s.Data["ca.crt"], s.Data["ca.crt"]...) }, nil},
		"no labels":              {func(s *corev1.Secret) { s.Labels = nil }, nil},
		"a note that is garbage": {func(s *corev1.Secret) { s.Annotations[injectedAtAnnotation] = "yesterday" }, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			secret := soundSecret(t)
			c.damage(secret)
			steps, changed := mend(t, secret)
			if !slices.Equal(steps, c.wantSteps) || !changed {
				t.Errorf("the steps %v were taken, changed: %v; want %v and a change", steps, changed, c.wantSteps)
			}
			expectServable(t, secret)
			if steps, changed := mend(t, secret); changed || len(steps) > 0 {
				t.Errorf("after it was mended the steps %v are taken, changed: %v", steps, changed)
			}
		})
	}
}

// expectServable demands what an API server does.
func expectServable(t *testing.T, secret *corev1.Secret) {
	t.Helper()
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		t.Fatalf("the bundle holds no CA: %s", secret.Data["ca.crt"])
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: testDNSName, Roots: pool, CurrentTime: later}); err != nil {
		t.Error(err)
	}
}

func TestWhatOthersAddToTheSecretStays(t *testing.T) {
	secret := soundSecret(t)
	secret.Data["note"], secret.Labels["team"], secret.Data["tls.crt"] = []byte("theirs"), "theirs", nil
	mend(t, secret)
	if string(secret.Data["note"]) != "theirs" || secret.Labels["team"] != "theirs" {
		t.Errorf("the Secret is %v %v", secret.Labels, secret.Data["note"])
	}
}

func TestANewCAHasToBeInjectedBeforeItSigns(t *testing.T) {
	secret := soundSecret(t)
	c := read(secret, testDNSName)
	now := noon.Add(276 * day)
	c.serving = &servingPair{pair: tls.Certificate{Leaf: &x509.Certificate{NotBefore: noon, NotAfter: now.Add(20 * day)}}}
	steps, _, err := testIssuer.bringUpToDate(&c, now)
	if err != nil || !slices.Equal(steps, []StepKind{AddAuthority}) {
		t.Fatalf("the steps %v were taken (%v), want another CA and no signature", steps, err)
	}
	if !c.injectedAt.IsZero() || len(c.authorities) != 2 {
		t.Errorf("it is noted as injected at %s, with %d CAs", c.injectedAt, len(c.authorities))
	}
	c.injectedAt = now
	steps, _, err = testIssuer.bringUpToDate(&c, now.Add(time.Hour))
	if err != nil || !slices.Equal(steps, []StepKind{ForgetKey, Sign}) {
		t.Fatalf("the steps %v were taken (%v), want the new CA to sign and the old one's key to go", steps, err)
	}
	c.writeTo(secret)
	if n := bytes.Count(secret.Data["ca.key"], []byte("BEGIN RSA PRIVATE KEY")); n != 1 {
		t.Errorf("the Secret holds %d keys of CAs, want 1", n)
	}
	if err := c.serving.pair.Leaf.CheckSignatureFrom(c.authorities[1].Cert); err != nil {
		t.Error(err)
	}
	if n := bytes.Count(c.bundle(), []byte("BEGIN CERTIFICATE")); n != 2 {
		t.Errorf("the bundle holds %d CAs, want both", n)
	}
}

func TestNoCertificateOutlivesItsCA(t *testing.T) {
	c := read(soundSecret(t), testDNSName)
	c.serving = nil
	if err := testIssuer.sign(&c, c.authorities[0], noon.Add(360*day)); err != nil {
		t.Fatal(err)
	}
	if end := c.serving.pair.Leaf.NotAfter; !end.Equal(c.authorities[0].Cert.NotAfter) {
		t.Errorf("the certificate ends at %s, its CA at %s", end, c.authorities[0].Cert.NotAfter)
	}
}

func TestWhatIsServedStaysWhenItsSecretIsDamaged(t *testing.T) {
	source := &Source{dnsName: testDNSName}
	if err := source.Ready(nil); err == nil {
		t.Error("it is ready without a certificate")
	}
	if certificate, err := source.GetCertificate(nil); certificate != nil || !errors.Is(err, errNoCertificate) {
		t.Errorf("it serves %v and says %v", certificate, err)
	}
	source.take(soundSecret(t))
	first, err := source.GetCertificate(nil)
	if err != nil || source.Ready(nil) != nil {
		t.Fatal(err, source.Ready(nil))
	}
	damaged := soundSecret(t)
	damaged.Data["tls.crt"], damaged.Data["tls.key"] = strangers().Data["tls.crt"], strangers().Data["tls.key"]
	source.take(damaged)
	if now, err := source.GetCertificate(nil); err != nil || now != first {
		t.Errorf("it serves something else (%v)", err)
	}
}

func TestARefusedWriteQuotesNothing(t *testing.T) {
	r := &Reconciler{Options: Options{Secret: types.NamespacedName{Namespace: "operator", Name: "cert"}}}
	secret := string(soundSecret(t).Data["tls.key"])
	cases := map[string]struct {
		err      error
		wantLost bool
	}{
		"a webhook's words": {apierrors.NewForbidden(corev1.Resource("secrets"), "cert", errors.New(secret)), false},
		"another was first": {apierrors.NewConflict(corev1.Resource("secrets"), "cert", errors.New(secret)), true},
		"another made it":   {apierrors.NewAlreadyExists(corev1.Resource("secrets"), "cert"+secret), true},
		"an unknown reason": {&apierrors.StatusError{ErrStatus: metav1.Status{Message: secret, Code: 500}}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := r.refused(c.err)
			if text := err.Error(); strings.Contains(text, "PRIVATE") || strings.Contains(text, secret[100:120]) {
				t.Errorf("it says %q", text)
			}
			if !strings.Contains(err.Error(), "write Secret operator/cert: refused as") {
				t.Errorf("it says %q, which tells nobody what to do", err)
			}
			if lost(err) != c.wantLost {
				t.Errorf("lost: %v, want %v", lost(err), c.wantLost)
			}
		})
	}
	if r.refused(nil) != nil {
		t.Error("what was not refused is an error")
	}
	if offline := errors.New("connection refused"); r.refused(offline) != offline { //nolint:errorlint // the very same
		t.Error("what no API server said is left out")
	}
}
