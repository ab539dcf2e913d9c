package apikey

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWhatIsCachedOfASecretHoldsNoneOfItsContents(t *testing.T) {
	secret := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name:   "probe",
		UID:    "some-uid",
		Labels: map[string]string{"leaked": "sk_live_plaintext"},
		Annotations: map[string]string{
			corev1.LastAppliedConfigAnnotation: `{"stringData":{"api-key":"sk_live_plaintext"}}`,
			"example.com/backup":               "sk_live_plaintext",
			"apikey-operator.dev/note":         "ours",
		},
		ResourceVersion: "7",
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
	}}
	stripped, err := stripSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v", stripped)
	if strings.Contains(text, "sk_live_plaintext") || strings.Contains(text, "kubectl") {
		t.Errorf("the cache would hold %s", text)
	}
	for _, want := range []string{"probe", "some-uid", "apikey-operator.dev/note", "ResourceVersion:7"} {
		if !strings.Contains(text, want) {
			t.Errorf("the cache would lack %s: %s", want, text)
		}
	}
}
