package cluster

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/pki"
)

func TestTheKubeconfigNamesTheServerAndEmbedsTheAuthority(t *testing.T) {
	l := newTestLayout(t)
	if err := prepare(l, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := l.pki().WriteKubeconfig(l.kubeconfig(), adminName, "127.0.0.1:6443"); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(l.kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(l.pki().Cert(pki.CA))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"server: https://127.0.0.1:6443\n",
		"certificate-authority-data: " + base64.StdEncoding.EncodeToString(authority) + "\n",
		"user: admin\n",
	} {
		if !strings.Contains(string(content), want) {
			t.Errorf("the kubeconfig lacks %q:\n%s", want, content)
		}
	}
	if strings.Contains(string(content), "insecure") {
		t.Errorf("the kubeconfig does not check the server's certificate:\n%s", content)
	}
}
