//go:build linux

package machine

import (
	"bytes"
	"embed"
	"fmt"
	"text/template"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/files"
)

//go:embed config
var configFiles embed.FS

var configTemplates = template.Must(template.New("").Option("missingkey=error").ParseFS(configFiles, "config/*"))

// configValues are what the templates of the components' configuration may use.
type configValues struct {
	subnet
	NodeName, ControlGroup, Programs string
}

// renderConfiguration writes the components' configuration, with programs found beside this one.
func renderConfiguration(l layout, s subnet, programs string) error {
	values := configValues{subnet: s, NodeName: nodeName, ControlGroup: controlGroup(l), Programs: programs}
	for _, t := range configTemplates.Templates() {
		var rendered bytes.Buffer
		if err := t.Execute(&rendered, values); err != nil {
			return fmt.Errorf("render %s: %w", t.Name(), err)
		}
		if err := files.Write(l.config(t.Name()), rendered.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
