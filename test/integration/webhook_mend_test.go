package integration

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/webhookcert"
)

func TestWhateverSomebodyDoesToTheCertificatesTheWebhookIsCalledAgain(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*webhookLab){
		"the Secret is deleted": func(l *webhookLab) {
			before := l.secret()
			l.must(l.admin.Delete(l.t.Context(), before))
			l.await("another Secret", func() (bool, error) {
				now := &corev1.Secret{}
				err := l.admin.Get(l.t.Context(), l.options.Secret, now)
				return err == nil && now.UID != before.UID, client.IgnoreNotFound(err)
			})
		},
		"the certificate is damaged": func(l *webhookLab) {
			l.damage(func(s *corev1.Secret) { s.Data["tls.crt"] = []byte("garbage") })
		},
		"the CA and its key are removed": func(l *webhookLab) {
			l.damage(func(s *corev1.Secret) { delete(s.Data, "ca.crt"); delete(s.Data, "ca.key") })
		},
		"the configuration is emptied of CAs": func(l *webhookLab) {
			l.trust(nil)
		},
		"the configuration is given another's CA": func(l *webhookLab) {
			l.trust(controlPlane.Config.CAData)
		},
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newWebhookLab(t, webhookcert.DefaultDurations())
			r := l.startReplica(admin(t), 0)
			l.validate(r)
			l.awaitCalls(r)
			damage(l)
			l.await("the configuration to hold what the Secret does", func() (bool, error) {
				return bytes.Equal(l.configuration().Webhooks[0].ClientConfig.CABundle, l.secret().Data["ca.crt"]), nil
			})
			l.awaitCalls(r)
		})
	}
}

// damage changes the Secret, and waits until it is not as it was left.
func (l *webhookLab) damage(change func(*corev1.Secret)) {
	l.t.Helper()
	var secret *corev1.Secret
	l.await("a write of the Secret", func() (bool, error) {
		secret = l.secret()
		change(secret)
		return l.written(secret)
	})
	l.await("the Secret to be mended", func() (bool, error) { return l.secret().ResourceVersion != secret.ResourceVersion, nil })
}

// trust has the API server trust that CA.
func (l *webhookLab) trust(ca []byte) {
	l.t.Helper()
	l.await("a write of the configuration", func() (bool, error) {
		configuration := l.configuration()
		configuration.Webhooks[0].ClientConfig.CABundle = ca
		return l.written(configuration)
	})
}

// written replaces an object, and says no where the manager has written it since it was read.
func (l *webhookLab) written(object client.Object) (bool, error) {
	err := l.admin.Update(l.t.Context(), object)
	if apierrors.IsConflict(err) {
		return false, nil
	}
	return err == nil, err
}

func (l *webhookLab) configuration() *admissionv1.ValidatingWebhookConfiguration {
	l.t.Helper()
	configuration := &admissionv1.ValidatingWebhookConfiguration{}
	l.must(l.admin.Get(l.t.Context(), types.NamespacedName{Name: l.options.Configuration}, configuration))
	return configuration
}

func TestAConfigurationOfCertManagersIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := newWebhookLab(t, webhookcert.DefaultDurations())
	configuration := l.validate(&replica{port: 1})
	configuration.Annotations = map[string]string{"cert-manager.io/inject-ca-from": "any/certificate"}
	l.must(l.admin.Update(t.Context(), configuration))
	l.mutate(&replica{port: 1})
	if _, err := l.reconciler(&writes{Writer: l.admin}).Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	if bundle := l.configuration().Webhooks[0].ClientConfig.CABundle; len(bundle) > 0 {
		t.Errorf("a CA was injected: %s", bundle)
	}
	ours := &admissionv1.MutatingWebhookConfiguration{}
	l.must(l.admin.Get(t.Context(), types.NamespacedName{Name: l.options.Configuration}, ours))
	if !bytes.Equal(ours.Webhooks[0].ClientConfig.CABundle, l.secret().Data["ca.crt"]) {
		t.Error("no CA was injected into the configuration beside it")
	}
}

func TestTwoManagersAtOnceWriteLittleMoreThanOneAndThenNothing(t *testing.T) {
	t.Parallel()
	l := newWebhookLab(t, webhookcert.DefaultDurations())
	l.validate(&replica{port: 1}, &replica{port: 2})
	l.mutate(&replica{port: 1})
	written := &writes{Writer: l.admin}
	const rounds = 30
	var group sync.WaitGroup
	for range 2 {
		reconciler := l.reconciler(written)
		group.Go(func() {
			for range rounds {
				if _, err := reconciler.Reconcile(t.Context(), ctrl.Request{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	// The Secret, the two configurations, and the note that they have it. Who read a configuration before another wrote
	// it, and the Secret after, takes the note away once, and it is written again.
	all := written.n.Load()
	if all < 4 || all > 8 {
		t.Errorf("%d writes were accepted, want 4, or 8 at most", all)
	}
	if _, err := l.reconciler(written).Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Error(err)
	}
	if more := written.n.Load() - all; more > 0 {
		t.Errorf("%d more writes were accepted when all was done", more)
	}
}

// reconciler is one that has no caches.
func (l *webhookLab) reconciler(writer client.Writer) *webhookcert.Reconciler {
	return webhookcert.New(l.options, l.admin, l.admin, writer)
}

// writes counts those that were accepted.
type writes struct {
	client.Writer
	n atomic.Int64
}

// Create implements client.Writer.
func (w *writes) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	return w.count(w.Writer.Create(ctx, object, options...))
}

// Update implements client.Writer.
func (w *writes) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	return w.count(w.Writer.Update(ctx, object, options...))
}

func (w *writes) count(err error) error {
	if err == nil {
		w.n.Add(1)
	}
	return err
}

// The configuration is the one that config/default installs, since the manager's rights are to that alone.
func TestTheManagersRightsSufficeForItsCertificates(t *testing.T) {
	t.Parallel()
	l := newWebhookLab(t, webhookcert.DefaultDurations())
	l.options.Configuration = webhookcert.DefaultConfigurationName
	l.startReplica(manager(t), 0)
	l.await("the CA to be injected", func() (bool, error) {
		for _, w := range l.configuration().Webhooks {
			if len(w.ClientConfig.CABundle) == 0 {
				return false, nil
			}
		}
		return true, nil
	})
	secret := l.secret()
	if secret.Type != corev1.SecretTypeTLS || secret.Labels["app.kubernetes.io/part-of"] != "apikey-operator" {
		t.Errorf("the Secret is of type %s with labels %v", secret.Type, secret.Labels)
	}
	for _, w := range l.configuration().Webhooks {
		if !bytes.Equal(w.ClientConfig.CABundle, secret.Data["ca.crt"]) {
			t.Errorf("%s trusts %s", w.Name, w.ClientConfig.CABundle)
		}
	}
}
