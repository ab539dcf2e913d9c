package integration

import (
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// access is what is asked about: a verb, a resource as group/resource or group/resource/subresource,
// the namespace, where empty all of them, and an object's name, where empty any.
type access struct{ verb, resource, namespace, name string }

func (a access) attributes() authorizationv1.ResourceAttributes {
	group, resource, _ := strings.Cut(a.resource, "/")
	resource, subresource, _ := strings.Cut(resource, "/")
	return authorizationv1.ResourceAttributes{
		Verb: a.verb, Group: group, Resource: resource, Subresource: subresource, Namespace: a.namespace, Name: a.name,
	}
}

const (
	apiKeys       = "apikey-operator.dev/apikeys"
	apiKeyStatus  = "apikey-operator.dev/apikeys/status"
	secrets       = "/secrets"
	leases        = "coordination.k8s.io/leases"
	newEvents     = "events.k8s.io/events"
	coreEvents    = "/events"
	serviceTokens = "/serviceaccounts/token"

	validatingWebhooks = "admissionregistration.k8s.io/validatingwebhookconfigurations"
	mutatingWebhooks   = "admissionregistration.k8s.io/mutatingwebhookconfigurations"
)

func TestWhatTheServiceAccountsMayDo(t *testing.T) {
	t.Parallel()
	manager, verifier := manager(t), verifier(t)
	cases := map[string]struct {
		who  identity
		what access
		want bool
	}{
		"the manager reads ApiKeys everywhere":                 {manager, access{verb: "get", resource: apiKeys}, true},
		"the manager lists ApiKeys everywhere":                 {manager, access{verb: "list", resource: apiKeys}, true},
		"the manager watches ApiKeys everywhere":               {manager, access{verb: "watch", resource: apiKeys}, true},
		"the manager never writes a spec":                      {manager, access{verb: "update", resource: apiKeys}, false},
		"the manager never patches a spec":                     {manager, access{verb: "patch", resource: apiKeys}, false},
		"the manager makes no ApiKeys":                         {manager, access{verb: "create", resource: apiKeys}, false},
		"the manager deletes no ApiKeys":                       {manager, access{verb: "delete", resource: apiKeys}, false},
		"the manager replaces the status":                      {manager, access{verb: "update", resource: apiKeyStatus}, true},
		"the manager never patches the status":                 {manager, access{verb: "patch", resource: apiKeyStatus}, false},
		"the manager makes Secrets":                            {manager, access{verb: "create", resource: secrets}, true},
		"the manager reads Secrets":                            {manager, access{verb: "get", resource: secrets}, true},
		"the manager lists Secrets":                            {manager, access{verb: "list", resource: secrets}, true},
		"the manager watches Secrets":                          {manager, access{verb: "watch", resource: secrets}, true},
		"the manager replaces Secrets":                         {manager, access{verb: "update", resource: secrets}, true},
		"the manager never patches Secrets":                    {manager, access{verb: "patch", resource: secrets}, false},
		"the manager deletes Secrets":                          {manager, access{verb: "delete", resource: secrets}, true},
		"the manager never deletes collections of Secrets":     {manager, access{verb: "deletecollection", resource: secrets}, false},
		"the manager reports events":                           {manager, access{verb: "create", resource: newEvents}, true},
		"the manager counts events up":                         {manager, access{verb: "patch", resource: newEvents}, true},
		"the manager reads no events":                          {manager, access{verb: "list", resource: newEvents}, false},
		"the manager makes Leases at home":                     {manager, access{verb: "create", resource: leases, namespace: systemNamespace}, true},
		"the manager reads its Lease":                          {manager, access{"get", leases, systemNamespace, "apikey-operator-manager"}, true},
		"the manager renews its Lease":                         {manager, access{"update", leases, systemNamespace, "apikey-operator-manager"}, true},
		"the manager leaves other Leases at home alone":        {manager, access{"update", leases, systemNamespace, "another"}, false},
		"the manager makes no Leases elsewhere":                {manager, access{verb: "create", resource: leases, namespace: "default"}, false},
		"the manager takes no Lease of the control plane":      {manager, access{"update", leases, "kube-system", "kube-controller-manager"}, false},
		"the manager reports at home who leads":                {manager, access{verb: "create", resource: coreEvents, namespace: systemNamespace}, true},
		"the manager gives out no tokens":                      {manager, access{verb: "create", resource: serviceTokens}, false},
		"the manager impersonates nobody":                      {manager, access{verb: "impersonate", resource: "/users"}, false},
		"the manager grants nothing":                           {manager, access{verb: "create", resource: "rbac.authorization.k8s.io/rolebindings"}, false},
		"the manager cannot lift the protection of the status": {manager, access{verb: "update", resource: "admissionregistration.k8s.io/validatingadmissionpolicies"}, false},
		"the manager cannot take the policy out of force":      {manager, access{verb: "delete", resource: "admissionregistration.k8s.io/validatingadmissionpolicybindings"}, false},
		"the manager reads its webhook configuration":          {manager, access{verb: "get", resource: validatingWebhooks, name: "apikey-operator"}, true},
		"the manager injects into its webhook configuration":   {manager, access{verb: "update", resource: validatingWebhooks, name: "apikey-operator"}, true},
		"the manager injects into its mutating one":            {manager, access{verb: "update", resource: mutatingWebhooks, name: "apikey-operator"}, true},
		"the manager leaves others' webhooks alone":            {manager, access{verb: "update", resource: validatingWebhooks, name: "another"}, false},
		"the manager lists no webhooks of others":              {manager, access{verb: "list", resource: validatingWebhooks}, false},
		"the manager makes no webhooks":                        {manager, access{verb: "create", resource: mutatingWebhooks}, false},
		"the manager starts no Pods":                           {manager, access{verb: "create", resource: "/pods"}, false},
		"the manager enters no Pods":                           {manager, access{verb: "create", resource: "/pods/exec"}, false},
		"the manager enters no Pods at home":                   {manager, access{verb: "get", resource: "/pods/exec", namespace: systemNamespace}, false},
		"the manager changes no labels of namespaces":          {manager, access{verb: "update", resource: "/namespaces"}, false},
		"the manager writes no policies":                       {manager, access{verb: "update", resource: "apikey-operator.dev/apikeypolicies"}, false},
		"the verifier watches ApiKeys":                         {verifier, access{verb: "watch", resource: apiKeys}, true},
		"the verifier lists ApiKeys":                           {verifier, access{verb: "list", resource: apiKeys}, true},
		"the verifier reads no policies":                       {verifier, access{verb: "get", resource: "apikey-operator.dev/apikeypolicies"}, false},
		"the verifier reads no namespaces":                     {verifier, access{verb: "list", resource: "/namespaces"}, false},
		"the verifier writes no ApiKeys":                       {verifier, access{verb: "update", resource: apiKeys}, false},
		"the verifier writes no status":                        {verifier, access{verb: "update", resource: apiKeyStatus}, false},
		"the verifier patches no status":                       {verifier, access{verb: "patch", resource: apiKeyStatus}, false},
		"the verifier reads no Secrets":                        {verifier, access{verb: "get", resource: secrets}, false},
		"the verifier lists no Secrets":                        {verifier, access{verb: "list", resource: secrets}, false},
		"the verifier watches no Secrets":                      {verifier, access{verb: "watch", resource: secrets}, false},
		"the verifier reads no Secrets at home":                {verifier, access{verb: "get", resource: secrets, namespace: systemNamespace}, false},
		"the verifier takes no part in electing a leader":      {verifier, access{"get", leases, systemNamespace, "apikey-operator-manager"}, false},
		"the verifier reports no events":                       {verifier, access{verb: "create", resource: newEvents}, false},
		"the verifier gives out no tokens, not even its own":   {verifier, access{verb: "create", resource: serviceTokens, namespace: systemNamespace}, false},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			if got := c.who.may(t, c.what.attributes()); got != c.want {
				t.Errorf("may %+v: %v, want %v", c.what, got, c.want)
			}
		})
	}
}
