package pki

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"text/template"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/files"
)

// kubeconfigTemplate embeds the certificates, so that the file works from wherever it is copied to.
var kubeconfigTemplate = template.Must(template.New("kubeconfig").Parse(`apiVersion: v1
kind: Config
clusters:
- name: localcluster
  cluster:
    server: {{.Server}}
    certificate-authority-data: {{.CA}}
users:
- name: {{.User}}
  user:
    client-certificate-data: {{.Cert}}
    client-key-data: {{.Key}}
contexts:
- name: localcluster
  context:
    cluster: localcluster
    user: {{.User}}
current-context: localcluster
`))

// WriteKubeconfig writes to path a kubeconfig for the API server at hostPort, with the certificate issued under the name user.
func (d Dir) WriteKubeconfig(path, user, hostPort string) error {
	data := struct{ Server, User, CA, Cert, Key string }{Server: "https://" + hostPort, User: user}
	for file, field := range map[string]*string{
		d.Cert(CA):   &data.CA,
		d.Cert(user): &data.Cert,
		d.Key(user):  &data.Key,
	} {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read a certificate for the kubeconfig: %w", err)
		}
		*field = base64.StdEncoding.EncodeToString(content)
	}
	var rendered bytes.Buffer
	if err := kubeconfigTemplate.Execute(&rendered, data); err != nil {
		return fmt.Errorf("render the kubeconfig: %w", err)
	}
	return files.Write(path, rendered.Bytes())
}
