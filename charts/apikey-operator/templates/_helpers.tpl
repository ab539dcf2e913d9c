{{/*
Names are fixed: the webhook configurations, the Lease and what the API server's policies say go by them, and there is one
cluster-wide installation in a cluster.
*/}}
{{- define "apikey-operator.selectorLabels" -}}
app.kubernetes.io/name: apikey-operator
app.kubernetes.io/component: {{ . }}
{{- end -}}

{{/* Labels of every object. Pods have none of these that change with the chart, so that only changed settings replace them. */}}
{{- define "apikey-operator.labels" -}}
app.kubernetes.io/name: apikey-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of an object of one component: (dict "root" $ "component" "manager"). */}}
{{- define "apikey-operator.componentLabels" -}}
{{ include "apikey-operator.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The name and namespace of an object of one component, with its labels and perhaps further ones: the above with "name" and "labels". */}}
{{- define "apikey-operator.metadata" -}}
name: {{ .name | default (printf "apikey-operator-%s" .component) }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "apikey-operator.componentLabels" . | fromYaml | merge (dict) (.labels | default dict) | toYaml | nindent 2 }}
{{- end -}}

{{- define "apikey-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The objects of a file that the chart shares with config/, which make generate copies, with labels, further annotations, and the
release's namespace: (dict "root" $ "file" "files/…" "annotations" (dict …)). With "namespace" they are put there, where the file
names none. They are changed as text, since a definition's large numbers do not survive being read.
*/}}
{{- define "apikey-operator.fromFile" -}}
{{- $labels := include "apikey-operator.labels" .root | nindent 4 -}}
{{- $annotations := "" -}}
{{- with .annotations -}}{{- $annotations = toYaml . | nindent 4 -}}{{- end -}}
{{- $text := .root.Files.Get .file | required (printf "%s is missing from the chart" .file) -}}
{{- range $document := splitList "\n---\n" (trimPrefix "---\n" $text) }}
{{- /* The release's namespace comes last: its name may hold the one that is replaced. */}}
{{- $document = $document | replace "namespace: apikey-operator-system" "namespace: \"@NAMESPACE@\"" | replace "apikey-operator-system" "@NAMESPACE@" -}}
{{- $document = $document | replace "@NAMESPACE@" $.root.Release.Namespace -}}
{{- with $.namespace -}}
{{- $document = regexReplaceAllLiteral "(?m)^metadata:$" $document (printf "metadata:\n  namespace: %s" (quote .)) -}}
{{- end -}}
{{- if regexMatch "(?m)^  labels:$" $document -}}
{{- $document = regexReplaceAllLiteral "(?m)^  labels:$" $document (printf "  labels:%s" $labels) -}}
{{- else -}}
{{- $document = regexReplaceAllLiteral "(?m)^metadata:$" $document (printf "metadata:\n  labels:%s" $labels) -}}
{{- end -}}
{{- if and $annotations (regexMatch "(?m)^  annotations:$" $document) -}}
{{- $document = regexReplaceAllLiteral "(?m)^  annotations:$" $document (printf "  annotations:%s" $annotations) -}}
{{- else if $annotations -}}
{{- $document = regexReplaceAllLiteral "(?m)^metadata:$" $document (printf "metadata:\n  annotations:%s" $annotations) -}}
{{- end }}
---
{{ trim $document }}
{{- end }}
{{- end -}}
