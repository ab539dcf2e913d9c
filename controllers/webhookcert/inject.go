package webhookcert

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// configurationKinds are the kinds of objects that tell API servers of webhooks.
var configurationKinds = []schema.GroupVersionKind{
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingWebhookConfiguration"},
}

// certManagerPrefix begins the annotations by which cert-manager is told to inject its own CA.
const certManagerPrefix = "cert-manager.io/inject-"

// newConfiguration is an empty one of a kind. It is not typed, so that writing it back loses no field that a newer
// API server has and this program does not know.
func newConfiguration(kind schema.GroupVersionKind) *unstructured.Unstructured {
	configuration := &unstructured.Unstructured{}
	configuration.SetGroupVersionKind(kind)
	return configuration
}

// readConfigurations are those of our name that exist and are ours to inject into.
func readConfigurations(ctx context.Context, reader client.Reader, name string) ([]*unstructured.Unstructured, error) {
	var found []*unstructured.Unstructured
	for _, kind := range configurationKinds {
		configuration := newConfiguration(kind)
		err := reader.Get(ctx, types.NamespacedName{Name: name}, configuration)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s %s: %w", kind.Kind, name, err)
		}
		if configuration.GetDeletionTimestamp() == nil && !isCertManagers(configuration) {
			found = append(found, configuration)
		}
	}
	return found, nil
}

func isCertManagers(configuration *unstructured.Unstructured) bool {
	for annotation := range configuration.GetAnnotations() {
		if strings.HasPrefix(annotation, certManagerPrefix) {
			return true
		}
	}
	return false
}

// forEachWebhook shows all webhooks of configurations, each with the CAs in it.
func forEachWebhook(configuration *unstructured.Unstructured, do func(clientConfig map[string]any, bundle []byte)) {
	webhooks, _ := configuration.Object["webhooks"].([]any)
	for _, item := range webhooks {
		webhook, _ := item.(map[string]any)
		clientConfig, ok := webhook["clientConfig"].(map[string]any)
		if !ok {
			continue // not what an API server stores
		}
		text, _ := clientConfig["caBundle"].(string)
		bundle, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			bundle = nil
		}
		do(clientConfig, bundle)
	}
}

// lack says whether any webhook does not know all CAs.
func lack(configurations []*unstructured.Unstructured, c *contents) bool {
	lacks := false
	for _, configuration := range configurations {
		forEachWebhook(configuration, func(_ map[string]any, bundle []byte) {
			for _, authority := range c.authorities {
				lacks = lacks || !bytes.Contains(bundle, authority.CertPEM)
			}
		})
	}
	return lacks
}

// differ says whether any webhook has another bundle.
func differ(configurations []*unstructured.Unstructured, want []byte) bool {
	differs := false
	for _, configuration := range configurations {
		forEachWebhook(configuration, func(_ map[string]any, bundle []byte) {
			differs = differs || !bytes.Equal(bundle, want)
		})
	}
	return differs
}

// setBundle puts a bundle into all webhooks.
func setBundle(configuration *unstructured.Unstructured, bundle []byte) {
	text := base64.StdEncoding.EncodeToString(bundle)
	forEachWebhook(configuration, func(clientConfig map[string]any, _ []byte) { clientConfig["caBundle"] = text })
}
