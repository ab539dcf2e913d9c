{{- /* A type with its fields, and below them the messages of its rules and of its fields'. */ -}}
{{- define "type" -}}
{{- $type := . -}}
{{- if and (markdownShouldRenderType $type) (not $type.Imported) }}

## {{ $type.Name }}

{{ template "prose" $type.Doc }}
{{- with $type.GVK }}

`apiVersion: {{ .Group }}/{{ .Version }}`, `kind: {{ .Kind }}`
{{- with index $type.Markers "kubebuilder:resource" }}{{ with last . }}, {{ eq .Scope "Cluster" | ternary "cluster-scoped" "namespaced" }}
{{- range .ShortName }}, short name `{{ . }}`{{ end }}{{ end }}{{ end }}.
{{- with index $type.Markers "kubebuilder:selectablefield" }} Field selectors:
{{- range $i, $field := . }}{{ if $i }},{{ end }} `{{ trimPrefix "." $field.JSONPath }}`{{ end }}.
{{- end }}
{{- end }}
{{- if $type.IsAlias }}

A {{ template "typeName" $type.UnderlyingType }}{{ template "bounds" (dict "own" $type.Markers "inherited" ($type.UnderlyingType.Markers | default dict) "lead" ": ") }}.
{{- end }}
{{- with $type.References }}

Stands in {{ range $i, $parent := $type.SortedReferences }}{{ if $i }}, {{ end }}[{{ $parent.Name }}](#{{ lower $parent.Name }}){{ end }}.
{{- end }}
{{- with $type.Members }}

| Field | Type | Description | Schema |
| --- | --- | --- | --- |
{{- range . }}
| `{{ .Name }}` | {{ template "typeName" .Type }} | {{ if eq .Name "metadata" }}As of every object of Kubernetes.{{ else }}{{ template "cell" .Doc }}{{ end }} | {{ template "schema" . }} |
{{- end }}
{{- end }}
{{- with $type.EnumValues }}

| Value | Meaning |
| --- | --- |
{{- range . }}
| `{{ .Name }}` | {{ template "cell" (regexReplaceAll "^[A-Z][A-Za-z]+: " (trim .Doc) "") }} |
{{- end }}
{{- end }}
{{- template "rules" $type }}
{{- end }}
{{- end -}}

{{- /* The name of a type, as a link where it is one of ours. */ -}}
{{- define "typeName" -}}
{{- $kind := .Kind | toJson -}}
{{- if eq $kind "\"SLICE\"" -}}list of {{ template "typeName" .UnderlyingType }}
{{- else if eq $kind "\"POINTER\"" -}}{{ template "typeName" .UnderlyingType }}
{{- else if eq $kind "\"MAP\"" -}}map of {{ template "typeName" .KeyType }} to {{ template "typeName" .ValueType }}
{{- else if hasPrefix "k8s.io/" .Package -}}{{ get (dict "Time" "time" "Duration" "duration" "ObjectMeta" "object" "Condition" "[condition](https://pkg.go.dev/k8s.io/apimachinery/pkg/apis/meta/v1#Condition)" "LabelSelectorOperator" "string") .Name }}
{{- else if .IsBasic -}}{{ get (dict "string" "string" "bool" "boolean" "int32" "integer" "int64" "integer") .Name }}
{{- else -}}[{{ .Name }}](#{{ lower .Name }})
{{- end -}}
{{- end -}}

{{- /* Text of a comment outside a table. */ -}}
{{- define "prose" -}}
{{ . | replace "*" "\\*" | replace "<" "&lt;" }}
{{- end -}}

{{- /* Text of a comment in a table, on one line, with its example as code. */ -}}
{{- define "cell" -}}
{{- $parts := . | replace "|" "\\|" | replace "\n\n" "<br><br>" | replace "\n" " " | splitn "Example: " 2 -}}
{{ $parts._0 | replace "*" "\\*" }}
{{- with $parts._1 }}Example: {{ regexReplaceAll "^(.+?)((?:, (?:when|to) .*)?)[.]$" . "`${1}`${2}." }}{{ end }}
{{- end -}}

{{- /* What a field's schema says besides its rules. Markers of the type are found at the field, too: those are the type's to tell. */ -}}
{{- define "schema" -}}
{{- $said := list -}}
{{- if index .Markers "required" }}{{ $said = append $said "required" }}{{ end -}}
{{- if eq .Name "metadata" }}{{ else if not (or (index .Markers "optional") (index .Markers "required")) }}{{ $said = append $said "required" }}{{ end -}}
{{- with index .Markers "kubebuilder:default" }}{{ $said = append $said (printf "default `%s`" ((last .).Value | toJson)) }}{{ end -}}
{{ join ", " $said }}{{ template "bounds" (dict "own" .Markers "inherited" (.Type.Markers | default dict) "lead" (ternary ", " "" (gt (len $said) 0))) }}
{{- end -}}

{{- /* Bounds among markers that are not inherited. A pattern is told only where no rule tells it in words. */ -}}
{{- define "bounds" -}}
{{- $inherited := .inherited -}}
{{- $own := .own -}}
{{- $said := list -}}
{{- range $name, $values := $own -}}
{{- $bound := trimPrefix "kubebuilder:validation:" $name -}}
{{- $told := or (has $bound (list "XValidation" "Type" "Optional" "Required")) (and (eq $bound "Pattern") (index $own "kubebuilder:validation:XValidation")) -}}
{{- if and (hasPrefix "kubebuilder:validation:" $name) (not $told) -}}
{{- if or (not (index $inherited $name)) (ne (toJson $values) (toJson (index $inherited $name))) -}}
{{- if eq $bound "Enum" }}{{ $said = append $said (printf "one of `%s`" (join "`, `" (last $values))) -}}
{{- else if eq $bound "Pattern" }}{{ $said = append $said (printf "pattern `%v`" (last $values) | replace "|" "\\|") -}}
{{- else }}{{ $said = append $said (printf "%s `%s`" (untitle $bound) (last $values | toJson)) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ if $said }}{{ .lead }}{{ join ", " $said }}{{ end }}
{{- end -}}

{{- /* The messages of a type's rules and of its fields'. */ -}}
{{- define "rules" -}}
{{- $lines := list -}}
{{- $ofElements := list -}}
{{- if .IsAlias }}{{ range index (.UnderlyingType.Markers | default dict) "kubebuilder:validation:XValidation" }}{{ $ofElements = append $ofElements .Message }}{{ end }}{{ end -}}
{{- range index (.Markers | default dict) "kubebuilder:validation:XValidation" -}}
{{- $at := trimPrefix "." (.FieldPath | default "") -}}
{{- if not (has .Message $ofElements) }}{{ $lines = append $lines (print (ternary (printf "`%s` " $at) "" (ne $at "")) .Message) }}{{ end -}}
{{- end -}}
{{- range $field := .Members -}}
{{- $inherited := list -}}
{{- range index ($field.Type.Markers | default dict) "kubebuilder:validation:XValidation" }}{{ $inherited = append $inherited .Message }}{{ end -}}
{{- range index ($field.Markers | default dict) "kubebuilder:validation:XValidation" -}}
{{- if not (has .Message $inherited) }}{{ $lines = append $lines (printf "`%s` %s" $field.Name .Message) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if $lines }}

Rules:
{{ range $lines }}
- {{ template "prose" . }}
{{- end }}
{{- end }}
{{- end -}}
