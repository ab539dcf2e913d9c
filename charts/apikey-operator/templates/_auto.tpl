{{/* What is null in the values is decided here. Each prints "true" or nothing, or the word itself. */}}

{{- define "apikey-operator.clusterWide" -}}
{{- if not .Values.watchNamespaces }}true{{ end -}}
{{- end -}}

{{- define "apikey-operator.webhookEnabled" -}}
{{- $enabled := .Values.webhook.enabled -}}
{{- if kindIs "bool" $enabled }}{{ if $enabled }}true{{ end }}{{ else }}{{ include "apikey-operator.clusterWide" . }}{{ end -}}
{{- end -}}

{{- define "apikey-operator.admissionPoliciesEnabled" -}}
{{- $enabled := .Values.admissionPolicies.enabled -}}
{{- if kindIs "bool" $enabled }}{{ if $enabled }}true{{ end }}{{ else }}{{ include "apikey-operator.clusterWide" . }}{{ end -}}
{{- end -}}

{{- define "apikey-operator.defaultPolicy" -}}
{{- .Values.manager.defaultPolicy | default (ternary "deny" "allow" (eq "true" (include "apikey-operator.clusterWide" .))) -}}
{{- end -}}

{{/* MutatingAdmissionPolicies are served as v1 since Kubernetes 1.36. */}}
{{- define "apikey-operator.hasMutatingPolicies" -}}
{{- if semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version }}true{{ end -}}
{{- end -}}

{{- define "apikey-operator.stamp" -}}
{{- if ne .Values.webhook.stamp "auto" -}}
{{ .Values.webhook.stamp }}
{{- else if and (include "apikey-operator.admissionPoliciesEnabled" .) (include "apikey-operator.hasMutatingPolicies" .) -}}
policy
{{- else if include "apikey-operator.webhookEnabled" . -}}
webhook
{{- else -}}
none
{{- end -}}
{{- end -}}

{{- define "apikey-operator.hasPrometheusOperator" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}true{{ end -}}
{{- end -}}

{{/* The lowest number of verifiers that are meant to run. */}}
{{- define "apikey-operator.minVerifiers" -}}
{{- with .Values.verifier }}{{ ternary .autoscaling.minReplicas .replicas .autoscaling.enabled | int }}{{ end -}}
{{- end -}}

{{/* A duration of Go in milliseconds, rounded down: 1m30s, 1.5h, 0. */}}
{{- define "apikey-operator.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+[a-z]+" . -1 -}}
{{- $sum = addf $sum (mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- $sum | int64 -}}
{{- end -}}

{{/* A quantity of memory in bytes, rounded down: 1Gi, 1.5G, 1073741824, as far as the schema lets them pass. */}}
{{- define "apikey-operator.bytes" -}}
{{- if kindIs "string" . -}}
{{- $units := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (regexFind "[a-zA-Z]*$" . | get $units) | int64 -}}
{{- else -}}
{{- int64 . -}}
{{- end -}}
{{- end -}}

{{/* As long as a verifier drains, and a request may take, and four seconds for what is to be written yet. */}}
{{- define "apikey-operator.verifierGracePeriod" -}}
{{- $ms := include "apikey-operator.milliseconds" .Values.verifier.drainDelay | int64 -}}
{{- $ms = include "apikey-operator.milliseconds" .Values.verifier.connections.readTimeout | int64 | add $ms -}}
{{- $ms = include "apikey-operator.milliseconds" .Values.verifier.connections.writeTimeout | int64 | add $ms -}}
{{- div (add $ms 4999) 1000 -}}
{{- end -}}
