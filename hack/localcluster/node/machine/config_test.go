//go:build linux

package machine

import (
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func newTestLayout(t *testing.T) layout {
	t.Helper()
	l, err := newLayout(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.create(); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestComponentsAreConfiguredWithTheClustersOwnValues(t *testing.T) {
	l, s := newTestLayout(t), newSubnet(100)
	if err := writeConfiguration(l, s, "/programs"); err != nil {
		t.Fatal(err)
	}
	for file, wants := range map[string][]string{
		"containerd.toml":       {"BinaryName = '/programs/runc'", "bin_dirs = ['/programs']"},
		"pods.conflist":         {`"subnet": "10.100.0.0/24"`},
		"kubelet.yaml":          {"cgroupRoot: /" + controlGroup(l) + "\n", "clusterDNS: [10.100.1.10]", "anonymous: {enabled: false}"},
		"kube-proxy.yaml":       {"clusterCIDR: 10.100.0.0/24", "hostnameOverride: node\n"},
		"Corefile":              {"bind 10.100.255.2\n"},
		"bootstrap.yaml":        {"clusterIP: 10.100.1.10\n", "addresses: [10.100.255.2]", "name: " + kubeletClientUser + "}"},
		"coredns.kubeconfig":    {"server: https://127.0.0.1:6443\n"},
		"kube-proxy.kubeconfig": {"user: kube-proxy\n"},
	} {
		content, err := os.ReadFile(l.config(file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(content), want) {
				t.Errorf("%s lacks %q:\n%s", file, want, content)
			}
		}
	}
}

func TestOnlyTheAdministratorMayDoEverything(t *testing.T) {
	for name, leaf := range leaves(newSubnet(100)) {
		if all := slices.Contains(leaf.Subject.Organization, "system:masters"); all != (name == adminName) {
			t.Errorf("%s in the group that may do everything: %t", name, all)
		}
	}
}

func TestTheAPIServerIsTrustedUnderAllItsNames(t *testing.T) {
	l, s := newTestLayout(t), newSubnet(100)
	if err := l.pki().Prepare(serviceAccountsName, leaves(s), time.Now()); err != nil {
		t.Fatal(err)
	}
	config, err := l.pki().ClientTLS(serverName) // for the authority, and the certificate itself
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"127.0.0.1", "10.100.255.2", "10.100.1.1", "kubernetes.default.svc"} {
		if _, err := config.Certificates[0].Leaf.Verify(x509.VerifyOptions{Roots: config.RootCAs, DNSName: name}); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
}

func TestTwoDirectoriesAreTwoClusters(t *testing.T) {
	one, two := newTestLayout(t), newTestLayout(t)
	if one.id() == two.id() {
		t.Errorf("both are called %s", one.id())
	}
	if name := linkName(one); len(name) > 15 {
		t.Errorf("%s is longer than the 15 bytes that a network device's name may have", name)
	}
}

func TestOnlyLogsAreKept(t *testing.T) {
	l := newTestLayout(t)
	if err := writeConfiguration(l, newSubnet(100), "/programs"); err != nil {
		t.Fatal(err)
	}
	if err := l.removeRun(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(string(l))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if !slices.Equal(names, []string{"log"}) {
		t.Errorf("left are %v", names)
	}
}

func TestControlGroupsAreRemovedFromBelow(t *testing.T) {
	root := t.TempDir() + "/group"
	if err := os.MkdirAll(root+"/kubepods/besteffort/pod", 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second time there is nothing to remove
		if err := removeTree(root); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestDownFindsNothingInADirectoryThatWasNeverUsed(t *testing.T) {
	dir := t.TempDir() + "/never"
	stopped, err := Down(t.Context(), dir)
	if err != nil || stopped {
		t.Errorf("Down = %t, %v; want false and no error", stopped, err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory was made: %v", err)
	}
}
