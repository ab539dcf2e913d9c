package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// thingsToTry are commands for another terminal; they work as they stand.
var thingsToTry = template.Must(template.New("").Parse(`
Everything is still running. Try this in another terminal:

  cd {{.Root}}
  export KUBECONFIG={{.Kubeconfig}}{{if .KubectlDir}}
  PATH={{.KubectlDir}}:$PATH{{end}}

  # issue a key, and read it out of its Secret
  kubectl apply -k config/samples
  kubectl wait --for=condition=Ready apikey/billing-sync -n phoenix
  KEY=$(kubectl get secret billing-sync-credentials -n phoenix -o jsonpath='{.data.API_KEY}' | base64 -d)

  # use it: the upstream shows the request as it got it
  curl -i -H @- {{.URL}}/invoices/2027 <<<"X-API-Key: $KEY"

  # have it refused: no key, a permission that it lacks, another tenant's route
  curl -i {{.URL}}/invoices/2027
  curl -i -H @- {{.URL}}/admin/users <<<"X-API-Key: $KEY"
  curl -i -H @- {{.URL}}/reports/today <<<"X-API-Key: $KEY"

  # suspend it, resume it; lose its Secret and get a new one
  kubectl patch apikey billing-sync -n phoenix --type=merge -p '{"spec":{"suspended":true}}'
  kubectl patch apikey billing-sync -n phoenix --type=merge -p '{"spec":{"suspended":null}}'
  kubectl delete secret billing-sync-credentials -n phoenix
  kubectl describe apikey billing-sync -n phoenix

  # what the manager and the verifier say
  tail -f {{.LogDir}}/manager.log {{.LogDir}}/verifier.log

Ctrl-C here ends it all.`))

// leaveRunning says what to try, and waits for Ctrl-C.
func (d *demo) leaveRunning(ctx context.Context) {
	var text strings.Builder
	values := map[string]string{
		"Root":       d.stack.Root(),
		"Kubeconfig": d.stack.AdminKubeconfig(),
		"URL":        d.nginx.URL(""),
		"LogDir":     d.stack.LogDir(),
	}
	if _, err := exec.LookPath("kubectl"); err != nil {
		values["KubectlDir"] = filepath.Dir(d.stack.Tools.Kubectl)
	}
	if err := thingsToTry.Execute(&text, values); err != nil {
		d.out.failed(err)
		return
	}
	d.out.say("%s", text.String())
	<-ctx.Done()
}
