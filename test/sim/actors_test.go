package sim

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Those who edit and meddle. Each thing that they do is noted in the ledger where it is a reason for a new
// credential.

// edits are what an ApiKey's author does; each is a reason for at most one new credential.
var edits = []func(*world, *v1alpha1.ApiKeySpec){
	func(_ *world, s *v1alpha1.ApiKeySpec) { s.Revision = max(s.Revision, 1) + 1 },
	func(_ *world, s *v1alpha1.ApiKeySpec) { s.Revision = max(s.Revision, 1) + 1 },
	func(w *world, s *v1alpha1.ApiKeySpec) {
		s.MinRevision = max(s.MinRevision, 1) + int64(w.draw("further", 2))
	},
	func(w *world, s *v1alpha1.ApiKeySpec) { // "regenerate now"
		if key := w.apiKey(); key != nil && len(key.Status.Credentials) > 0 {
			s.MinRevision = max(s.MinRevision, key.Status.Credentials[0].Revision+1)
		}
	},
	func(w *world, s *v1alpha1.ApiKeySpec) {
		rotationOf(s).GracePeriod = oneOf(w, "grace", nil, hours(0), hours(1), hours(24), minutes(1))
	},
	func(w *world, s *v1alpha1.ApiKeySpec) {
		rotationOf(s).Every = oneOf(w, "every", minutes(10), hours(1), nil, hours(48))
	},
	func(_ *world, s *v1alpha1.ApiKeySpec) { s.Suspended = !s.Suspended },
	func(w *world, s *v1alpha1.ApiKeySpec) {
		in := []time.Duration{0, time.Minute, 10 * time.Second, time.Hour, 1000 * time.Hour}[w.draw("expiry", 5)]
		s.ExpiresAt = nil
		if in > 0 {
			s.ExpiresAt = ptr.To(metav1.NewTime(w.now().Add(in).Truncate(time.Second)))
		}
	},
	func(w *world, s *v1alpha1.ApiKeySpec) {
		s.Secret.DeleteAfter = oneOf(w, "reveal", nil, minutes(1), hours(2))
	},
	func(w *world, s *v1alpha1.ApiKeySpec) { s.Secret.Key = []string{"", "token"}[w.draw("data key", 2)] },
	func(_ *world, s *v1alpha1.ApiKeySpec) {
		s.Secret.Data = map[string]v1alpha1.DataTemplate{".env": "KEY=$(KEY) $(REVISION)"}
		s.Secret.Labels = map[string]v1alpha1.LabelValue{"app": "probe"}
	},
	func(_ *world, s *v1alpha1.ApiKeySpec) { s.Secret.Data, s.Secret.Labels = nil, nil },
	func(_ *world, s *v1alpha1.ApiKeySpec) { s.Revoked = true },
}

func rotationOf(s *v1alpha1.ApiKeySpec) *v1alpha1.Rotation {
	if s.Rotation == nil {
		s.Rotation = &v1alpha1.Rotation{}
	}
	return s.Rotation
}

func hours(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Hour} }
func minutes(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Minute}
}

func oneOf[T any](w *world, what string, values ...T) T { return values[w.draw(what, len(values))] }

// edit changes the spec as its author would.
func (w *world) edit() {
	key := w.apiKey()
	if key == nil {
		return
	}
	edits[w.draw("edit", len(edits))](w, &key.Spec)
	if r := key.Spec.Rotation; r != nil && r.Every != nil && r.GracePeriod != nil && r.GracePeriod.Duration > r.Every.Duration {
		return // the API server refuses it
	}
	w.must(w.client.Update(ctx, key))
	w.ledger.reason("edit")
	w.observe()
}

// expire brings the ApiKey one step further to where it has expired and is given more time.
func (w *world) expire() {
	key := w.apiKey()
	if key == nil {
		return
	}
	in := []time.Duration{10 * time.Second, time.Minute, time.Hour, 1000 * time.Hour}
	switch at := key.Spec.ExpiresAt; {
	case at == nil:
		w.change(expiringAt(w.now().Add(in[w.draw("expiry", 4)])))
	case at.After(w.now()):
		w.advance(at.Sub(w.now()) + time.Duration(w.draw("seconds later", 12))*time.Second)
	case w.draw("more time", 2) == 0:
		w.change(func(s *v1alpha1.ApiKeySpec) { s.ExpiresAt = nil })
	default:
		w.change(expiringAt(w.now().Add(time.Hour)))
	}
}

func expiringAt(t time.Time) func(*v1alpha1.ApiKeySpec) {
	return func(s *v1alpha1.ApiKeySpec) { s.ExpiresAt = ptr.To(metav1.NewTime(t.Truncate(time.Second))) }
}

// recreate deletes the ApiKey and makes another one of its name; the garbage collector comes by later.
func (w *world) recreate() {
	if key := w.apiKey(); key != nil {
		w.must(w.client.Delete(ctx, key))
		w.observe()
	}
	w.ledger.forget()
	if w.draw("made again", 4) != 0 {
		w.createApiKey()
	}
}

// collect does what the garbage collector does: a Secret goes whose owner is gone.
func (w *world) collect() {
	secret := w.secret()
	if secret == nil {
		return
	}
	controller := metav1.GetControllerOf(secret)
	if key := w.apiKey(); controller != nil && (key == nil || controller.UID != key.UID) {
		w.must(w.client.Delete(ctx, secret))
		w.observe()
	}
}

// loseSecret deletes the Secret.
func (w *world) loseSecret() {
	if secret := w.secret(); secret != nil {
		w.must(w.client.Delete(ctx, secret))
		w.ledger.reason("the Secret was deleted")
		w.observe()
	}
}

// tampers are what somebody does who may write Secrets; each is a reason for at most one new credential.
var tampers = []func(*world, *corev1.Secret){
	func(_ *world, s *corev1.Secret) { setAll(s, "somebody else's") },
	func(w *world, s *corev1.Secret) { setAll(s, w.ledger.oldest()) },
	func(_ *world, s *corev1.Secret) { s.OwnerReferences = nil },
	func(_ *world, s *corev1.Secret) { s.Annotations, s.Labels = nil, nil },
	func(_ *world, s *corev1.Secret) { s.Data["note"] = []byte("left alone") },
	func(_ *world, s *corev1.Secret) { s.Immutable = ptr.To(true) },
	func(_ *world, s *corev1.Secret) { clear(s.Data) },
}

func setAll(s *corev1.Secret, value string) {
	for name := range s.Data {
		s.Data[name] = []byte(value)
	}
}

// tamper changes the Secret as somebody with a right to do so would.
func (w *world) tamper() {
	secret := w.secret()
	if secret == nil {
		return
	}
	tampers[w.draw("tamper", len(tampers))](w, secret)
	err := w.client.Update(ctx, secret)
	if apierrors.IsInvalid(err) {
		return // it is immutable
	}
	w.must(err)
	w.ledger.reason("the Secret was changed")
	w.ledger.tampered()
	w.observe()
}

// squat makes a Secret of the name that is nobody's.
func (w *world) squat() {
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: keyName.Namespace, Name: keyName.Name},
		Data:       map[string][]byte{"api-key": []byte("not ours")},
	}
	err := w.client.Create(ctx, foreign)
	if apierrors.IsAlreadyExists(err) {
		return
	}
	w.must(err)
	w.ledger.reason("the Secret's name was taken")
	w.ledger.tampered()
	w.observe()
}

// meddle is what may happen between two calls of a manager.
func (w *world) meddle() {
	switch w.draw("meddle", 5) {
	case 0:
		w.edit()
	case 1:
		w.loseSecret()
	case 2:
		w.tamper()
	case 3:
		w.advance(time.Duration(w.draw("seconds", 12)) * time.Second)
	case 4:
		w.overrule()
	}
}
