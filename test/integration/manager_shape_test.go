package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// shapedSpec asks for a Secret with everything that can be asked for.
const shapedSpec = `{"permissions":["read"],"tenant":"acme","expiresAt":"2027-12-31T23:59:59Z","secret":{
	"labels":{"example.com/team":"payments"},
	"annotations":{"reloader.stakater.com/match":"true","example.com/contact":"sre"},
	"type":"example.com/api-key",
	"data":{".env":"API_KEY=$(KEY)\n","all":"$(KEY)|$(NAME)|$(NAMESPACE)|$(TENANT)|$(REVISION)|$(EXPIRES_AT)|$(HINT)|$HOME $$"}}}`

func TestTheSecretIsWrittenAsItIsAskedFor(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, shapedSpec)
	l.work().expectWrites("put status, create Secret, put status")

	secret, value, hint := l.secret(), l.value(), l.credential().Hint
	if secret.Type != "example.com/api-key" {
		t.Errorf("the Secret's type is %q", secret.Type)
	}
	l.expectData(map[string]string{
		"api-key": value,
		".env":    "API_KEY=" + value + "\n",
		"all":     value + "|probe|" + l.name.Namespace + "|acme|1|2027-12-31T23:59:59Z|" + hint + "|$HOME $$",
	})
	l.expectLabels(map[string]string{"example.com/team": "payments", "app.kubernetes.io/managed-by": "apikey-operator"})
	l.expectAnnotations(map[string]string{"reloader.stakater.com/match": "true", "example.com/contact": "sre"})
	l.expectQuiet()
}

func TestPlaceholdersForWhatIsNotGivenAreEmpty(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, `{"secret":{"data":{"rest":"[$(TENANT)][$(EXPIRES_AT)]"}}}`)
	l.work()
	if got := string(l.secret().Data["rest"]); got != "[][]" {
		t.Errorf("the entry is %q, want [][]", got)
	}
}

func TestAChangedShapeIsWrittenOnceWithoutANewCredential(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, shapedSpec)
	l.work()
	l.takeEvents()
	l.tamper(func(s *corev1.Secret) {
		s.Labels["others.example/label"], s.Annotations["others.example/annotation"], s.Data["others"] = "kept", "kept", []byte("kept")
	})
	l.tampered = false
	l.work()
	value := l.value()
	l.edit(`{"spec":{"secret":{"labels":{"example.com/team":"billing"},"annotations":{"example.com/contact":null},
		"data":{".env":"KEY=$(KEY)","all":null}}}}`)
	l.work().expectWrites("update Secret, put status")

	l.expectData(map[string]string{"api-key": value, ".env": "KEY=" + value, "others": "kept"})
	l.expectLabels(map[string]string{"example.com/team": "billing", "app.kubernetes.io/managed-by": "apikey-operator", "others.example/label": "kept"})
	l.expectAnnotations(map[string]string{"reloader.stakater.com/match": "true", "others.example/annotation": "kept"})
	l.expectPublished(1)
	l.expectEvents()
	l.expectQuiet()

	l.edit(`{"spec":{"secret":{"labels":null,"annotations":null,"data":null}}}`)
	l.work().expectWrites("update Secret, put status")
	l.expectData(map[string]string{"api-key": value, "others": "kept"})
	l.expectLabels(map[string]string{"app.kubernetes.io/managed-by": "apikey-operator", "others.example/label": "kept"})
	l.expectAnnotations(map[string]string{"others.example/annotation": "kept"})
	l.expectQuiet()
}

func TestWhatIsChangedByHandIsPutRightWithoutANewCredential(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*corev1.Secret){
		"a label":                     func(s *corev1.Secret) { s.Labels["example.com/team"] = "x" },
		"an annotation is removed":    func(s *corev1.Secret) { delete(s.Annotations, "reloader.stakater.com/match") },
		"the revision's annotation":   func(s *corev1.Secret) { s.Annotations[v1alpha1.RevisionAnnotation] = "7" },
		"a data key":                  func(s *corev1.Secret) { s.Data[".env"] = []byte("API_KEY=none") },
		"the names that were written": func(s *corev1.Secret) { s.Annotations[v1alpha1.WrittenAnnotation] = `{"data":["api-key"]}` },
		"names that do not decode":    func(s *corev1.Secret) { s.Annotations[v1alpha1.WrittenAnnotation] = "{" },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLabOf(t, shapedSpec)
			l.work()
			before := l.secret()
			l.tamper(change)
			l.work().expectWrites("update Secret, put status")
			after := l.secret()
			if diff := cmp.Diff([]any{before.Labels, before.Annotations}, []any{after.Labels, after.Annotations}); diff != "" {
				t.Errorf("labels and annotations are not what they were (-was +is):\n%s", diff)
			}
			l.expectPublished(1)
			l.expectQuiet()
		})
	}
}

func TestAnotherDataKeyMovesAllThatIsMadeOfTheKeyInOneWrite(t *testing.T) {
	t.Parallel()
	l := newLabOf(t, shapedSpec)
	l.work()
	value := l.value()
	l.edit(`{"spec":{"secret":{"key":"token","data":{"all":null,"api-key":"the key is under token"}}}}`)
	l.work().expectWrites("update Secret, put status")
	l.expectData(map[string]string{"token": value, ".env": "API_KEY=" + value + "\n", "api-key": "the key is under token"})
	l.expectPublished(1)
	l.expectQuiet()
}

func TestConsumersAreToldWhichKeyTheyHoldAndOfEachRotation(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work()
	l.expectMarks("1", "")
	l.advance(time.Hour)
	l.edit(`{"spec":{"revision":2}}`)
	l.work().expectWrites("put status, update Secret, put status")
	l.expectMarks("2", "")
	l.edit(`{"spec":{"expiresAt":"2027-12-31T23:59:59.7Z"}}`)
	l.work().expectWrites("update Secret, put status")
	l.expectMarks("2", "2027-12-31T23:59:59Z")
	l.expectQuiet()
	l.edit(`{"spec":{"expiresAt":null}}`)
	l.work()
	l.expectMarks("2", "")
	l.expectPublished(2)
}

// expectMarks compares what the Secret says of its key with the status.
func (l *lab) expectMarks(revision, expiresAt string) {
	l.t.Helper()
	current := l.credential()
	want := map[string]string{
		v1alpha1.RevisionAnnotation: revision,
		v1alpha1.HintAnnotation:     current.Hint,
		v1alpha1.IssuedAtAnnotation: current.IssuedAt.UTC().Format(time.RFC3339),
	}
	if expiresAt != "" {
		want[v1alpha1.ExpiresAtAnnotation] = expiresAt
	}
	got := l.secret().Annotations
	delete(got, v1alpha1.WrittenAnnotation)
	if diff := cmp.Diff(want, got); diff != "" {
		l.t.Errorf("the marks of the Secret (-want +got):\n%s", diff)
	}
}

func (l *lab) expectData(want map[string]string) {
	l.t.Helper()
	got := map[string]string{}
	for name, value := range l.secret().Data {
		got[name] = string(value)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		l.t.Errorf("the Secret's data (-want +got):\n%s", diff)
	}
}

func (l *lab) expectLabels(want map[string]string) {
	l.t.Helper()
	if diff := cmp.Diff(want, l.secret().Labels); diff != "" {
		l.t.Errorf("the Secret's labels (-want +got):\n%s", diff)
	}
}

// expectAnnotations compares those that are not ours.
func (l *lab) expectAnnotations(want map[string]string) {
	l.t.Helper()
	got := map[string]string{}
	for name, value := range l.secret().Annotations {
		if !strings.HasPrefix(name, v1alpha1.GroupName+"/") {
			got[name] = value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		l.t.Errorf("the Secret's annotations (-want +got):\n%s", diff)
	}
}
