package integration

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The words of docs/permissions.md.
const (
	permissionsGuide = "../../docs/permissions.md"

	wholeCluster = "For the whole cluster"
	rolesAlone   = "With Roles alone"
	everyAccount = "What every account may do"

	everywhere = "everywhere"
	atHome     = "at home"
	watched    = "watched"
)

// permission is a line of a table there.
type permission struct{ account, where, what, named, may, why string }

// rights are what may be done with something, such as "secrets" or "leases.coordination.k8s.io apikey-operator-manager",
// each with its verbs in order.
type rights map[string]string

// permissionsOf reads the table under a heading.
func permissionsOf(t *testing.T, heading string) []permission {
	t.Helper()
	guide, err := os.ReadFile(permissionsGuide)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(guide), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", permissionsGuide, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var permissions []permission
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| account") {
			continue
		}
		if len(cells) != 6 {
			t.Fatalf("this line of %s has %d cells, want 6: %s", permissionsGuide, len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		permissions = append(permissions, permission{cells[0], cells[1], cells[2], cells[3], cells[4], cells[5]})
	}
	return permissions
}

// rightsOf are those that lines give an account at places.
func rightsOf(t *testing.T, permissions []permission, account string, places ...string) rights {
	t.Helper()
	all := rights{}
	for _, p := range permissions {
		if p.why == "" {
			t.Errorf("%s does not say why the %s may %s %s", permissionsGuide, p.account, p.may, p.what)
		}
		if p.account == account && slices.Contains(places, p.where) {
			verbs := strings.Split(p.may, ", ")
			slices.Sort(verbs)
			what := strings.TrimSpace(p.what + " " + p.named)
			if _, twice := all[what]; twice {
				t.Errorf("%s lists %s twice for the %s", permissionsGuide, what, account)
			}
			all[what] = strings.Join(verbs, ", ")
		}
	}
	return all
}

// What is not listed in docs/permissions.md is not allowed, and what is listed is.
func TestTheServiceAccountsMayDoNothingElse(t *testing.T) {
	t.Parallel()
	elsewhere := freshNamespace(t)
	bystander := newServiceAccount(t, elsewhere, "bystander").rights(t, elsewhere)
	t.Run("everybody", func(t *testing.T) {
		expectRights(t, bystander, rightsOf(t, permissionsOf(t, everyAccount), "everybody", everywhere))
	})
	manager, verifier := manager(t), verifier(t)
	confined := confine(t)
	cluster, roles := permissionsOf(t, wholeCluster), permissionsOf(t, rolesAlone)
	for title, c := range map[string]struct {
		who       identity
		namespace string
		want      rights
	}{
		"the manager, in any namespace":                 {manager, elsewhere, rightsOf(t, cluster, "manager", everywhere)},
		"the manager, at home":                          {manager, systemNamespace, rightsOf(t, cluster, "manager", everywhere, atHome)},
		"the verifier, in any namespace":                {verifier, elsewhere, rightsOf(t, cluster, "verifier", everywhere)},
		"the verifier, at home":                         {verifier, systemNamespace, rightsOf(t, cluster, "verifier", everywhere, atHome)},
		"the manager with Roles, where it watches":      {confined.manager, confined.watched, rightsOf(t, roles, "manager", everywhere, watched)},
		"the manager with Roles, at home":               {confined.manager, confined.home, rightsOf(t, roles, "manager", everywhere, atHome)},
		"the manager with Roles, in another namespace":  {confined.manager, elsewhere, rightsOf(t, roles, "manager", everywhere)},
		"the verifier with Roles, where it watches":     {confined.verifier, confined.watched, rightsOf(t, roles, "verifier", everywhere, watched)},
		"the verifier with Roles, at home":              {confined.verifier, confined.home, rightsOf(t, roles, "verifier", everywhere, atHome)},
		"the verifier with Roles, in another namespace": {confined.verifier, elsewhere, rightsOf(t, roles, "verifier", everywhere)},
	} {
		t.Run(title, func(t *testing.T) {
			expectRights(t, c.who.rights(t, c.namespace).beyond(bystander), c.want)
		})
	}
}

// beyond are the rights that others do not have in just this way.
func (r rights) beyond(others rights) rights {
	rest := maps.Clone(r)
	maps.DeleteFunc(rest, func(what, verbs string) bool { return others[what] == verbs })
	return rest
}

func expectRights(t *testing.T, got, want rights) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s and the API server differ (-listed +allowed):\n%s", permissionsGuide, diff)
	}
}

// In the whole cluster each verb is asked about for each resource that the API server offers: its own list of rights
// is of a namespace.
func TestTheServiceAccountsMayDoNothingElseInTheWholeCluster(t *testing.T) {
	t.Parallel()
	resources := offered(t)
	confined := confine(t)
	manager(t) // waits until the roles are in force
	cluster := permissionsOf(t, wholeCluster)
	everybodys := rightsOf(t, permissionsOf(t, everyAccount), "everybody", everywhere)
	for title, c := range map[string]struct {
		namespace, account string
		want               rights
	}{
		"the manager":             {systemNamespace, "manager", rightsOf(t, cluster, "manager", everywhere)},
		"the verifier":            {systemNamespace, "verifier", rightsOf(t, cluster, "verifier", everywhere)},
		"the manager with Roles":  {confined.home, "manager", rights{}},
		"the verifier with Roles": {confined.home, "verifier", rights{}},
	} {
		t.Run(title, func(t *testing.T) {
			want := maps.Clone(c.want)
			maps.DeleteFunc(want, func(what, _ string) bool { return strings.Contains(what, " ") }) // what is named is asked by name
			got := rightsBySubject(t, c.namespace, "apikey-operator-"+c.account, resources)
			expectRights(t, got.beyond(everybodys), want)
		})
	}
}

// confinement is an installation with Roles alone.
type confinement struct {
	home, watched     string
	manager, verifier identity
}

// confine gives accounts of the operator's names, in a namespace of their own, the Roles that are committed, in another.
func confine(t *testing.T) confinement {
	t.Helper()
	c := confinement{home: freshNamespace(t), watched: freshNamespace(t)}
	c.manager = newServiceAccount(t, c.home, "apikey-operator-manager")
	c.verifier = newServiceAccount(t, c.home, "apikey-operator-verifier")
	roles := kubectl(t, "", "kustomize", "../../config/rbac/watched-namespace")
	kubectl(t, movedTo(c.home, roles), "apply", "--namespace", c.watched, "-f", "-")
	for _, file := range []string{"leader_election_role.yaml", "leader_election_role_binding.yaml"} {
		text, err := os.ReadFile("../../config/rbac/" + file)
		if err != nil {
			t.Fatal(err)
		}
		kubectl(t, movedTo(c.home, string(text)), "apply", "-f", "-")
	}
	for _, a := range []struct {
		who       identity
		attribute authorizationv1.ResourceAttributes
	}{
		{c.manager, authorizationv1.ResourceAttributes{Verb: "list", Resource: "secrets", Namespace: c.watched}},
		{c.manager, authorizationv1.ResourceAttributes{Verb: "create", Resource: "leases", Group: "coordination.k8s.io", Namespace: c.home}},
		{c.verifier, authorizationv1.ResourceAttributes{Verb: "list", Resource: "apikeys", Group: v1alpha1.GroupName, Namespace: c.watched}},
	} {
		a.who.waitUntilMay(t, a.attribute)
	}
	return c
}

// movedTo is a manifest with another namespace in the place of the operator's.
func movedTo(namespace, manifest string) string {
	return regexp.MustCompile(`namespace: `+systemNamespace+`\b`).ReplaceAllString(manifest, "namespace: "+namespace)
}

// rights are all that RBAC allows the identity in a namespace.
func (i identity) rights(t *testing.T, namespace string) rights {
	t.Helper()
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	if err := i.client(t).Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	if review.Status.Incomplete {
		t.Fatalf("the API server could not list all rights: %s", review.Status.EvaluationError)
	}
	verbs := map[string][]string{}
	for _, rule := range review.Status.ResourceRules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				what := strings.TrimSpace(qualified(group, resource) + " " + strings.Join(rule.ResourceNames, ","))
				verbs[what] = append(verbs[what], rule.Verbs...)
			}
		}
	}
	return inOrder(verbs)
}

func inOrder(verbs map[string][]string) rights {
	all := rights{}
	for what, list := range verbs {
		slices.Sort(list)
		all[what] = strings.Join(slices.Compact(list), ", ")
	}
	return all
}

// qualified is a resource as kubectl names it, such as apikeys.apikey-operator.dev/status.
func qualified(group, resource string) string {
	if group == "" {
		return resource
	}
	resource, subresource, isSub := strings.Cut(resource, "/")
	if isSub {
		subresource = "/" + subresource
	}
	return resource + "." + group + subresource
}

// offered are all resources of the API server, subresources included, and what RBAC knows beside them.
func offered(t *testing.T) []authorizationv1.ResourceAttributes {
	t.Helper()
	_, all, err := clientset(t).Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	resources := []authorizationv1.ResourceAttributes{
		{Group: "*", Resource: "*"}, {Resource: "users"}, {Resource: "groups"}, {Group: "authentication.k8s.io", Resource: "userextras"},
		{Group: "certificates.k8s.io", Resource: "signers"},
	}
	for _, list := range all {
		group, _, isGroup := strings.Cut(list.GroupVersion, "/")
		if !isGroup {
			group = corev1.GroupName
		}
		for _, r := range list.APIResources {
			resource, subresource, _ := strings.Cut(r.Name, "/")
			resources = append(resources, authorizationv1.ResourceAttributes{Group: group, Resource: resource, Subresource: subresource})
		}
	}
	slices.SortFunc(resources, func(a, b authorizationv1.ResourceAttributes) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
	return slices.Compact(resources)
}

func clientset(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	set, err := kubernetes.NewForConfig(admin(t).config)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// allVerbs are those of the API, and those that RBAC itself and certificates know.
var allVerbs = []string{
	"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection",
	"*", "bind", "escalate", "impersonate", "approve", "sign", "use",
}

// rightsBySubject asks about each verb on each resource for a ServiceAccount, in the whole cluster.
func rightsBySubject(t *testing.T, namespace, name string, resources []authorizationv1.ResourceAttributes) rights {
	t.Helper()
	reviews := clientset(t).AuthorizationV1().SubjectAccessReviews()
	spec := authorizationv1.SubjectAccessReviewSpec{
		User:   "system:serviceaccount:" + namespace + ":" + name,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
	verbs := map[string][]string{}
	answers := make(chan authorizationv1.ResourceAttributes)
	var group errgroup.Group
	group.SetLimit(8)
	go func() {
		defer close(answers)
		for _, resource := range resources {
			for _, verb := range allVerbs {
				asked := resource
				asked.Verb = verb
				group.Go(func() error {
					review := &authorizationv1.SubjectAccessReview{Spec: spec}
					review.Spec.ResourceAttributes = &asked
					answer, err := reviews.Create(t.Context(), review, metav1.CreateOptions{})
					if err == nil && answer.Status.Allowed {
						answers <- asked
					}
					return err
				})
			}
		}
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	}()
	for a := range answers {
		resource := a.Resource
		if a.Subresource != "" {
			resource += "/" + a.Subresource
		}
		what := qualified(a.Group, resource)
		verbs[what] = append(verbs[what], a.Verb)
	}
	return inOrder(verbs)
}
