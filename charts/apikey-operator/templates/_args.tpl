{{/* Arguments of the programs, one a line. Those that depend on nothing are there with the program's defaults too. */}}

{{- define "apikey-operator.managerArgs" -}}
{{- $m := .Values.manager -}}
- manager
- --log-level={{ $m.logLevel }}
- --default-policy={{ include "apikey-operator.defaultPolicy" . }}
- --publish-delay={{ $m.publishDelay }}
- --expiring-window={{ $m.expiringWindow }}
- --kube-api-qps={{ int64 $m.kubeApiQps }}
- --kube-api-burst={{ int64 $m.kubeApiBurst }}
{{- if $m.restoreMode }}
- --restore-mode=true
{{- end }}
{{- with .Values.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
{{- if not (include "apikey-operator.webhookEnabled" .) }}
- --webhook-bind-address=0
{{- else }}
{{- if .Values.webhook.certManager.enabled }}
- --webhook-cert-dir=/etc/apikey-operator/webhook
{{- end }}
{{- if and .Values.restoreIdentities (eq "webhook" (include "apikey-operator.stamp" .)) }}
- {{ printf "--restore-identities=%s" (join "," .Values.restoreIdentities) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "apikey-operator.verifierArgs" -}}
{{- $v := .Values.verifier -}}
- verifier
- --log-level={{ $v.logLevel }}
- --drain-delay={{ $v.drainDelay }}
- --max-staleness={{ $v.maxStaleness }}
- --decision-log={{ $v.decisionLog.mode }}
- --decision-log-sample={{ int64 $v.decisionLog.sample }}
{{- with $v.trustedProxies }}
- {{ printf "--trusted-proxies=%s" (join "," .) | quote }}
{{- end }}
{{- with .Values.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
{{ include "apikey-operator.credentialArgs" $v.credential }}
{{ include "apikey-operator.connectionArgs" $v.connections }}
{{ include "apikey-operator.grpcArgs" $v.grpc }}
{{- include "apikey-operator.tlsArgs" $v.tls }}
{{ include "apikey-operator.rateLimitArgs" $v.rateLimit }}
{{- with $v.tracing }}
{{- if .endpoint }}
- --tracing-endpoint={{ .endpoint }}
- --tracing-insecure={{ .insecure }}
- --tracing-sample-ratio={{ .sampleRatio }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "apikey-operator.credentialArgs" -}}
- --credential-header={{ .header }}
- --credential-authorization={{ .authorization }}
{{- with .query }}
- --credential-query={{ . }}
{{- end }}
{{- with .cookie }}
- --credential-cookie={{ . }}
{{- end }}
{{- with .body }}
- --credential-body={{ . }}
{{- end }}
- {{ printf "--realm=%s" .realm | quote }}
{{- end -}}

{{- define "apikey-operator.connectionArgs" -}}
- --max-connections={{ int64 .max }}
- --max-header-bytes={{ int64 .maxHeaderBytes }}
- --max-body-bytes={{ int64 .maxBodyBytes }}
- --read-timeout={{ .readTimeout }}
- --write-timeout={{ .writeTimeout }}
- --idle-timeout={{ .idleTimeout }}
{{- end -}}

{{- define "apikey-operator.grpcArgs" -}}
{{- if .enabled -}}
- --grpc-remove-credential={{ .removeCredential }}
- --grpc-max-message-bytes={{ int64 .maxMessageBytes }}
- --grpc-reflection={{ .reflection }}
{{- else -}}
- --grpc-bind-address=0
{{- end -}}
{{- end -}}

{{- define "apikey-operator.tlsArgs" -}}
{{- if .secretName }}
- --tls-cert-file=/etc/apikey-operator/tls/tls.crt
- --tls-key-file=/etc/apikey-operator/tls/tls.key
{{- if or .clientCA.secretName .clientCA.configMapName }}
- --tls-client-ca-file=/etc/apikey-operator/client-ca/ca.crt
{{- end }}
{{- with .clientNames }}
- {{ printf "--tls-client-names=%s" (join "," .) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "apikey-operator.rateLimitArgs" -}}
- --rate-limit-store={{ .store }}
{{- if eq .store "redis" }}
{{- with .redis }}
- {{ printf "--redis-address=%s" (join "," .addresses) | quote }}
{{- with .masterName }}
- {{ printf "--redis-master-name=%s" . | quote }}
{{- end }}
{{- if .cluster }}
- --redis-cluster=true
{{- end }}
{{- with .username }}
- {{ printf "--redis-username=%s" . | quote }}
{{- end }}
{{- if .passwordSecret.name }}
- --redis-password-file=/etc/apikey-operator/redis/password
{{- end }}
{{- if .tls.enabled }}
- --redis-tls=true
{{- if .tls.caSecret.name }}
- --redis-tls-ca-file=/etc/apikey-operator/redis-ca/ca.crt
{{- end }}
{{- end }}
- {{ printf "--redis-key-prefix=%s" .keyPrefix | quote }}
- --redis-timeout={{ .timeout }}
- --redis-failure-policy={{ .failurePolicy }}
{{- end }}
{{- end }}
{{- end -}}
