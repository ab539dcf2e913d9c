package sizing

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/test/stack"
	"github.com/apikey-operator/apikey-operator/test/stack/recorder"
)

const (
	// batch is how many objects are written at once; etcd takes 128 at most.
	batch = 100
	// writers is how many batches are under way at once.
	writers = 4
	// namespaces is over how many the ApiKeys are spread.
	namespaces = 20
)

// typicalSpec is what the ApiKeys ask for, each for a tenant of its own.
const typicalSpec = `
displayName: Order export of a partner
description: Reads orders and customers once an hour
owner: integrations@example.com
tenant: TENANT
permissions: [orders:read, customers:read]
scopes: {region: [eu], category: [general, special]}
expiresAt: "2030-01-01T00:00:00Z"
allowedCIDRs: [203.0.113.0/24, 198.51.100.0/24]
rateLimit: {requests: 100, period: 1s}
format: {prefix: sk_live_}
`

// lab is a control plane with ApiKeys, and what a manager made of the first of them.
type lab struct {
	*stack.Stack

	kube     client.Client
	etcd     *etcd
	recorder *recorder.Recorder
	key      *v1alpha1.ApiKey
	secret   *corev1.Secret
	stored   int
}

// startLab starts a control plane with the definitions and the operator's roles, and no admission: it would only slow
// the storing down.
func startLab(t *testing.T) *lab {
	t.Helper()
	s, err := stack.New(tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &lab{Stack: s}
	if err := l.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.recorder.Close() })
	l.issueTemplate(t)
	return l
}

func (l *lab) start(ctx context.Context) error {
	if err := l.StartControlPlane(ctx); err != nil {
		return err
	}
	if err := l.InstallWithRolesOnly(ctx); err != nil {
		return err
	}
	if _, err := l.Kubectl(ctx, "apply", "-k", "config/rbac"); err != nil {
		return err
	}
	if err := l.AllowEverything(ctx); err != nil {
		return err
	}
	config, err := l.AdminConfig()
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return err
	}
	if l.kube, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	for i := range namespaces {
		if err := l.kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespaceOf(i)}}); err != nil {
			return err
		}
	}
	if l.etcd, err = openEtcd(l.Stack); err != nil {
		return err
	}
	l.recorder, err = recorder.Start(ctx, l.Stack)
	return err
}

func namespaceOf(n int) string { return fmt.Sprintf("team-%02d", n%namespaces) }

// newKey is the nth ApiKey, as somebody wrote it.
func newKey(n int) (*v1alpha1.ApiKey, error) {
	key := &v1alpha1.ApiKey{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespaceOf(n), Name: fmt.Sprintf("order-export-%06d", n),
		Labels:      map[string]string{"app.kubernetes.io/part-of": "orders"},
		Annotations: map[string]string{v1alpha1.GroupName + "/created-by": "system:serviceaccount:gitops:applier"},
	}}
	return key, yaml.Unmarshal([]byte(strings.Replace(typicalSpec, "TENANT", fmt.Sprintf("tenant-%06d", n), 1)), &key.Spec)
}

// issueTemplate has a manager issue the first key, whose status and Secret the others are given.
func (l *lab) issueTemplate(t *testing.T) {
	t.Helper()
	key, err := newKey(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.kube.Create(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	manager, err := l.StartManager(t.Context(), stack.Options{Name: "manager-template", Args: managerArgs})
	if err != nil {
		t.Fatal(err)
	}
	l.key, l.secret = &v1alpha1.ApiKey{}, &corev1.Secret{}
	err = stack.Await(t.Context(), "the first key", time.Minute, func(ctx context.Context) error {
		if err := l.kube.Get(ctx, client.ObjectKeyFromObject(key), l.key); err != nil {
			return err
		}
		if l.key.Status.State != v1alpha1.StateActive {
			return fmt.Errorf("it is %s", l.key.Status.State)
		}
		return l.kube.Get(ctx, client.ObjectKeyFromObject(key), l.secret)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.Stop(time.Minute); err != nil {
		t.Fatal(err)
	}
	l.stored = 1
}

// fill stores ApiKeys until there are n.
func (l *lab) fill(t *testing.T, n int) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(writers)
	for first := l.stored; first < n; first += batch {
		group.Go(func() error { return l.store(t.Context(), first, min(first+batch, n)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	l.stored = n
}

// store stores ApiKeys and their Secrets as they would be if a manager had issued them. The ApiKeys come first, or the
// garbage collector would take the Secrets for orphans; and again, since a status tells the resource version of its
// Secret, which is etcd's revision.
func (l *lab) store(ctx context.Context, first, end int) error {
	var secrets []pair
	var issued []*v1alpha1.ApiKey
	for n := first; n < end; n++ {
		key, secret, err := l.issued(n)
		if err != nil {
			return err
		}
		value, err := encodeSecret(secret)
		if err != nil {
			return err
		}
		secrets = append(secrets, pair{"/registry/secrets/" + secret.Namespace + "/" + secret.Name, value})
		issued = append(issued, key)
	}
	if err := l.putApiKeys(ctx, issued); err != nil {
		return err
	}
	revision, err := l.etcd.put(ctx, secrets)
	if err != nil {
		return err
	}
	for _, key := range issued {
		key.Status.SecretRef.ResourceVersion = revision
	}
	return l.putApiKeys(ctx, issued)
}

func (l *lab) putApiKeys(ctx context.Context, apiKeys []*v1alpha1.ApiKey) error {
	var pairs []pair
	for _, key := range apiKeys {
		value, err := json.Marshal(key)
		if err != nil {
			return err
		}
		pairs = append(pairs, pair{"/registry/apikey-operator.dev/apikeys/" + key.Namespace + "/" + key.Name, value})
	}
	_, err := l.etcd.put(ctx, pairs)
	return err
}

// issued is the nth ApiKey with its Secret.
func (l *lab) issued(n int) (*v1alpha1.ApiKey, *corev1.Secret, error) {
	key, err := newKey(n)
	if err != nil {
		return nil, nil, err
	}
	key.TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ApiKey"}
	key.UID, key.Generation, key.CreationTimestamp = uuid.NewUUID(), l.key.Generation, l.key.CreationTimestamp
	key.ManagedFields = l.key.ManagedFields
	plaintext, err := keys.Generate(rand.Reader, keys.Format{Prefix: "sk_live_", Bytes: keys.DefaultBytes})
	if err != nil {
		return nil, nil, err
	}
	secret, err := l.secretOf(key, plaintext)
	if err != nil {
		return nil, nil, err
	}
	if key.Status, err = l.statusOf(key, plaintext); err != nil {
		return nil, nil, err
	}
	key.Status.SecretRef.UID = string(secret.UID)
	return key, secret, nil
}

// secretOf is the template's Secret with another key, for another ApiKey.
func (l *lab) secretOf(key *v1alpha1.ApiKey, plaintext keys.Plaintext) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	template := l.secret.DeepCopy()
	template.ObjectMeta = metav1.ObjectMeta{
		Namespace: key.Namespace, Name: l.secret.Name,
		Labels: template.Labels, Annotations: template.Annotations, OwnerReferences: template.OwnerReferences,
		UID: uuid.NewUUID(), CreationTimestamp: template.CreationTimestamp, ManagedFields: template.ManagedFields,
	}
	if err := l.adapt(template, secret, key, plaintext); err != nil {
		return nil, err
	}
	secret.Data = map[string][]byte{key.SecretKey(): plaintext.Reveal()}
	return secret, nil
}

func (l *lab) statusOf(key *v1alpha1.ApiKey, plaintext keys.Plaintext) (status v1alpha1.ApiKeyStatus, err error) {
	err = l.adapt(&l.key.Status, &status, key, plaintext)
	return status, err
}

// adapt copies what belongs to the template with all that tells it from another ApiKey replaced.
func (l *lab) adapt(from, to any, key *v1alpha1.ApiKey, plaintext keys.Plaintext) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	credential := l.key.Status.Credentials[0]
	replaced := strings.NewReplacer(
		credential.Hash, plaintext.Hash().Encode(), credential.Hint, plaintext.Hint(),
		l.key.Name, key.Name, string(l.key.UID), string(key.UID), l.key.Spec.Tenant, key.Spec.Tenant,
	).Replace(string(text))
	return json.Unmarshal([]byte(replaced), to)
}
