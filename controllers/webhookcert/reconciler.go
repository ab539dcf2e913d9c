// Package webhookcert makes the certificates of the admission webhook, rotates them, and tells API servers whom to
// trust. One Secret holds everything. The leader writes it, and injects the CAs into the webhook configurations; every
// replica serves what the Secret holds, from a watch of it. At every moment what any replica serves is trusted by what
// any API server knows: Next says how.
package webhookcert

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations;mutatingwebhookconfigurations,resourceNames=apikey-operator,verbs=get;list;watch;update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update

// DefaultSecretName and DefaultConfigurationName are what config/ calls them.
const (
	DefaultSecretName        = "apikey-operator-webhook-cert"
	DefaultConfigurationName = "apikey-operator"
)

// Options say for what certificates are made. All are required.
type Options struct {
	Secret        types.NamespacedName
	Configuration string // the name of both webhook configurations; those that exist are injected into
	DNSName       string // by which API servers call the webhook: SERVICE.NAMESPACE.svc
	Durations     Durations
	Clock         clock.PassiveClock
}

// Reconciler keeps the Secret and the webhook configurations as they should be.
type Reconciler struct {
	Options

	cached client.Reader // when to look
	live   client.Reader // what to decide on
	writer client.Writer // always with a resource version
}

// New makes a Reconciler that is told by cached when to look, decides on live, and writes with writer.
func New(options Options, cached, live client.Reader, writer client.Writer) *Reconciler {
	return &Reconciler{Options: options, cached: cached, live: live, writer: writer}
}

// lookAgain is how soon a pass that lost a race is repeated, and lookAtLeast how often all is looked at whatever
// happens: a clock may be set.
const (
	lookAgain   = 100 * time.Millisecond
	lookAtLeast = time.Hour
)

// view is what there is, at one look.
type view struct {
	// The configurations are read before the Secret. So one that is written with the resource version from here
	// cannot have been given the bundle of a later Secret meanwhile.
	configurations []*unstructured.Unstructured
	secret         *corev1.Secret // nil: there is none
}

// Reconcile does what is due. Where nothing is, by the caches, it asks the API server nothing.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	v, err := r.look(ctx, r.cached)
	if err != nil {
		return ctrl.Result{}, err
	}
	if wake, quiet := r.nothingIsDue(v); quiet {
		return r.again(wake), nil
	}
	if v, err = r.look(ctx, r.live); err != nil {
		return ctrl.Result{}, err
	}
	wake, err := r.act(ctx, v)
	if lost(err) {
		log.FromContext(ctx).V(1).Info("lost a race, looking again", "cause", err.Error())
		return ctrl.Result{RequeueAfter: lookAgain}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return r.again(wake), nil
}

// lost says whether somebody else wrote or made the object first.
func lost(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

func (r *Reconciler) again(wake time.Time) ctrl.Result {
	after := lookAtLeast
	if !wake.IsZero() {
		after = min(after, max(wake.Sub(r.Clock.Now()), time.Millisecond))
	}
	return ctrl.Result{RequeueAfter: after}
}

func (r *Reconciler) look(ctx context.Context, reader client.Reader) (v view, err error) {
	if v.configurations, err = readConfigurations(ctx, reader, r.Configuration); err != nil {
		return v, err
	}
	secret := &corev1.Secret{}
	err = reader.Get(ctx, r.Secret, secret)
	if apierrors.IsNotFound(err) {
		return v, nil
	}
	if err != nil {
		return v, fmt.Errorf("read Secret %s: %w", r.Secret, err)
	}
	v.secret = secret
	return v, nil
}

// nothingIsDue says whether all is as it should be, and until when.
func (r *Reconciler) nothingIsDue(v view) (wake time.Time, quiet bool) {
	if v.secret == nil {
		return time.Time{}, false
	}
	now := r.Clock.Now()
	c := read(v.secret, r.DNSName)
	step := Next(c.state(), r.Durations, now)
	quiet = step.Kind == Wait && c.injectedBy(now) && !c.writeTo(v.secret.DeepCopy()) && !differ(v.configurations, c.bundle())
	return step.Wake, quiet
}

// injectedBy says whether the injection was noted; a time to come is none.
func (c *contents) injectedBy(now time.Time) bool {
	return !c.injectedAt.IsZero() && !c.injectedAt.After(now)
}

// act brings the Secret up to date, then the configurations, and then notes that it has done so: what was signed was
// signed by what is trusted already.
func (r *Reconciler) act(ctx context.Context, v view) (wake time.Time, err error) {
	now := r.Clock.Now()
	c := read(v.secret, r.DNSName)
	if !c.injectedBy(now) || lack(v.configurations, &c) {
		c.injectedAt = time.Time{}
	}
	issuer := issuer{dnsName: r.DNSName, durations: r.Durations}
	steps, wake, err := issuer.bringUpToDate(&c, now)
	if err != nil {
		return time.Time{}, err
	}
	secret, err := r.write(ctx, v.secret, &c)
	if err != nil {
		return time.Time{}, err
	}
	r.tell(ctx, &c, steps)
	if err := r.inject(ctx, v.configurations, c.bundle()); err != nil {
		return time.Time{}, err
	}
	if c.injectedAt.IsZero() {
		c.injectedAt = r.Clock.Now()
		if _, err := r.write(ctx, secret, &c); err != nil {
			return time.Time{}, err
		}
		wake = Next(c.state(), r.Durations, now).Wake
	}
	return wake, nil
}

// write makes or replaces the Secret, where that changes anything, and gives what is stored then.
func (r *Reconciler) write(ctx context.Context, stored *corev1.Secret, c *contents) (*corev1.Secret, error) {
	if stored == nil {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: r.Secret.Namespace, Name: r.Secret.Name},
			Type:       corev1.SecretTypeTLS,
		}
		c.writeTo(secret)
		return secret, r.refused(r.writer.Create(ctx, secret))
	}
	secret := stored.DeepCopy()
	if !c.writeTo(secret) {
		return stored, nil
	}
	return secret, r.refused(r.writer.Update(ctx, secret))
}

// refused leaves out the API server's words where it answered: an admission webhook that refuses the Secret may quote
// it, and it holds private keys.
func (r *Reconciler) refused(err error) error {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return &refusal{name: r.Secret, status: status}
	}
	return err
}

// refusal is an API server's refusal to write the Secret, without its words.
type refusal struct {
	name   types.NamespacedName
	status apierrors.APIStatus
}

// Error implements error.
func (e *refusal) Error() string {
	return fmt.Sprintf("write Secret %s: refused as %q (%d)", e.name, e.status.Status().Reason, e.status.Status().Code)
}

// As lets callers classify the error without being able to print what it hides.
func (e *refusal) As(target any) bool {
	status, ok := target.(*apierrors.APIStatus)
	if ok {
		*status = e.status
	}
	return ok
}

func (r *Reconciler) inject(ctx context.Context, configurations []*unstructured.Unstructured, bundle []byte) error {
	for _, configuration := range configurations {
		if !differ([]*unstructured.Unstructured{configuration}, bundle) {
			continue
		}
		setBundle(configuration, bundle)
		if err := r.writer.Update(ctx, configuration); err != nil {
			return fmt.Errorf("inject the CAs into %s %s: %w", configuration.GetKind(), configuration.GetName(), err)
		}
		log.FromContext(ctx).Info("injected the CAs", "kind", configuration.GetKind(), "name", configuration.GetName())
	}
	return nil
}

// tell logs what was made, once it is stored.
func (r *Reconciler) tell(ctx context.Context, c *contents, steps []StepKind) {
	logger := log.FromContext(ctx)
	for _, step := range steps {
		switch step {
		case AddAuthority:
			newest := c.authorities[len(c.authorities)-1].Cert
			logger.Info("made a CA for the webhook", "notAfter", newest.NotAfter, "bundle", len(c.authorities))
		case Sign:
			logger.Info("made a serving certificate for the webhook", "dnsName", r.DNSName, "notAfter", c.serving.pair.Leaf.NotAfter)
		case DropAuthority:
			logger.Info("dropped a CA that has ended", "bundle", len(c.authorities))
		case ForgetKey, Wait:
		}
	}
}
