//go:build linux

package e2e

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestANodeRunsPodsAsARealClusterDoes(t *testing.T) {
	machine := lookAtMachine(t)
	c := startCluster(t)
	c.importApp()
	c.kubectl("apply", "-f", c.file(manifests))
	c.kubectl("rollout", "status", "deployment/app", "--namespace=team", "--timeout=180s")

	t.Run("a pod reaches a Service by its name", func(t *testing.T) {
		c := c.in(t)
		c.kubectl("apply", "-f", c.file(client))
		c.kubectl("wait", "pod/client", "--namespace=team", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=180s")
		if got := c.kubectl("logs", "client", "--namespace=team"); !strings.HasPrefix(got, "app-") {
			t.Errorf("the Service answered %q, want the name of a pod", got)
		}
	})

	t.Run("a command runs in a pod", func(t *testing.T) {
		got := c.in(t).kubectl("exec", "deployment/app", "--namespace=team", "--", "/app", "http://127.0.0.1:8080")
		if !strings.HasPrefix(got, "app-") {
			t.Errorf("the command printed %q", got)
		}
	})

	t.Run("a port of a pod is forwarded", func(t *testing.T) {
		if got := get(t, "http://"+c.in(t).forward("deployment/app", "8080")); !strings.HasPrefix(got, "app-") {
			t.Errorf("the pod answered %q", got)
		}
	})

	t.Run("the machine can ask the cluster's name server", func(t *testing.T) {
		c := c.in(t)
		want := c.kubectl("get", "service", "app", "--namespace=team", "-o", "jsonpath={.spec.clusterIP}")
		got, err := c.resolver().LookupHost(t.Context(), "app.team.svc.cluster.local.")
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("the Service is at %v, %v; want %s", got, err, want)
		}
	})

	t.Run("the machine reaches pods, Services and ports of the node", func(t *testing.T) {
		c := c.in(t)
		for name, jsonpath := range map[string][]string{
			"a pod":     {"pods", "--selector=app=app", "-o", "jsonpath={.items[0].status.podIP}:8080"},
			"a Service": {"service", "app", "-o", "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}"},
			"a port":    {"service", "app", "-o", "jsonpath=" + c.addresses.Node + ":{.spec.ports[0].nodePort}"},
		} {
			address := c.kubectl(append([]string{"get", "--namespace=team"}, jsonpath...)...)
			if got := get(t, "http://"+address); !strings.HasPrefix(got, "app-") {
				t.Errorf("%s at %s answered %q", name, address, got)
			}
		}
	})

	t.Run("a pod that the namespace's Pod Security forbids is refused", func(t *testing.T) {
		c := c.in(t)
		why := c.refused("run", "root", "--image=localhost/app:1", "--namespace=team")
		if !strings.Contains(why, `violates PodSecurity "restricted:latest"`) {
			t.Errorf("it was refused because %s", why)
		}
	})

	t.Run("an eviction that a disruption budget forbids is refused", func(t *testing.T) {
		c := c.in(t)
		pod := c.kubectl("get", "pods", "--namespace=team", "--selector=app=app", "-o", "jsonpath={.items[0].metadata.name}")
		why := c.refused("create", "--raw", "/api/v1/namespaces/team/pods/"+pod+"/eviction", "-f", c.file(evictionOf(pod)))
		if !strings.Contains(why, "disruption budget") {
			t.Errorf("it was refused because %s", why)
		}
	})

	t.Run("the kubelet answers nobody that it does not know", func(t *testing.T) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // #nosec G402 -- nothing is sent
		stranger := &http.Client{Transport: transport, Timeout: 10 * time.Second}
		response, err := stranger.Get("https://" + net.JoinHostPort(c.addresses.Node, "10250") + "/pods")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("it answered %s, want 401", response.Status)
		}
	})

	t.Run("down leaves nothing", func(t *testing.T) {
		c := c.in(t)
		before := traceOf(t, c)
		run(t, 0, "nodecluster", "down", "--dir", c.dir)
		before.mustBeGone(t)
		if now := lookAtMachine(t); now != machine {
			t.Errorf("the machine was changed from %+v to %+v", machine, now)
		}
	})
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
