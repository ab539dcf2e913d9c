{{/* What the pods of both programs have in common. Each takes (dict "root" $ "component" "manager" "values" .Values.manager). */}}

{{- define "apikey-operator.podMetadata" -}}
labels:
  {{- include "apikey-operator.selectorLabels" .component | nindent 2 }}
  {{- with merge (dict) .values.podLabels .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  {{- dict "kubectl.kubernetes.io/default-container" .component | merge (dict) .values.podAnnotations | toYaml | nindent 2 }}
{{- end -}}

{{/* The image names its user, 65532, so that platforms which choose one for each namespace may. */}}
{{- define "apikey-operator.podSecurity" -}}
serviceAccountName: apikey-operator-{{ .component }}
automountServiceAccountToken: true
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "apikey-operator.scheduling" -}}
{{- range $field := list "priorityClassName" "nodeSelector" "tolerations" "affinity" }}
{{- with get $.values $field }}
{{ toYaml (dict $field .) }}
{{- end }}
{{- end }}
{{- if kindIs "slice" .values.topologySpreadConstraints }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- else }}
topologySpreadConstraints:
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "apikey-operator.selectorLabels" $.component | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end -}}

{{/*
Go collects sooner from four fifths of the memory limit on, so that a peak costs processor and not the pod. Whoever sets
GOMEMLIMIT in extraEnv decides alone.
*/}}
{{- define "apikey-operator.env" -}}
{{- $names := list -}}
{{- range .values.extraEnv -}}{{- $names = append $names .name -}}{{- end -}}
{{- $limit := dig "limits" "memory" "" .values.resources -}}
{{- if and $limit (not (has "GOMEMLIMIT" $names)) }}
- name: GOMEMLIMIT
  value: {{ div (mul 4 (include "apikey-operator.bytes" $limit | int64)) 5 | quote }}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "apikey-operator.container" -}}
image: {{ include "apikey-operator.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args:
{{ include (printf "apikey-operator.%sArgs" .component) .root }}
{{- range .values.extraArgs }}
- {{ quote . }}
{{- end }}
{{- with include "apikey-operator.env" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with .values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  readOnlyRootFilesystem: true
{{- end -}}

{{- define "apikey-operator.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "apikey-operator.metadata" . | nindent 2 }}
spec:
  {{- with .values.podDisruptionBudget }}
  {{- if kindIs "invalid" .minAvailable }}
  maxUnavailable: {{ .maxUnavailable }}
  {{- else }}
  minAvailable: {{ .minAvailable }}
  {{- end }}
  {{- end }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "apikey-operator.selectorLabels" .component | nindent 6 }}
{{- end -}}

{{/* The volumes with files that a verifier's flags name; each is mounted by its name below /etc/apikey-operator. */}}
{{- define "apikey-operator.verifierFiles" -}}
{{- with .tls }}
{{- if .secretName }}
- name: tls
  secret:
    secretName: {{ quote .secretName }}
{{- end }}
{{- if .clientCA.secretName }}
- name: client-ca
  secret:
    secretName: {{ quote .clientCA.secretName }}
    items:
    - key: {{ quote .clientCA.key }}
      path: ca.crt
{{- else if .clientCA.configMapName }}
- name: client-ca
  configMap:
    name: {{ quote .clientCA.configMapName }}
    items:
    - key: {{ quote .clientCA.key }}
      path: ca.crt
{{- end }}
{{- end }}
{{- if eq .rateLimit.store "redis" }}
{{- with .rateLimit.redis }}
{{- if .passwordSecret.name }}
- name: redis
  secret:
    secretName: {{ quote .passwordSecret.name }}
    items:
    - key: {{ quote .passwordSecret.key }}
      path: password
{{- end }}
{{- if and .tls.enabled .tls.caSecret.name }}
- name: redis-ca
  secret:
    secretName: {{ quote .tls.caSecret.name }}
    items:
    - key: {{ quote .tls.caSecret.key }}
      path: ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
