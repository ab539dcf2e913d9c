{{- define "gvDetails" -}}
{{- $gv := . -}}
{{- $first := list -}}
{{- range $kind := $gv.SortedKinds }}{{ range $suffix := list "" "Spec" "Status" }}{{ $first = append $first (print $kind $suffix) }}{{ end }}{{ end -}}
{{- range $name := $first }}{{ with index $gv.Types $name }}{{ template "type" . }}{{ end }}{{ end -}}
{{- range $gv.SortedTypes }}{{ if not (has .Name $first) }}{{ template "type" . }}{{ end }}{{ end -}}
{{- end -}}
