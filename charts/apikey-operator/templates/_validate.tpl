{{/*
What one value alone does not tell: the schema has looked at each before. Every template prints a line for each thing that makes
no sense, and all of them are shown at once.
*/}}
{{- define "apikey-operator.validate" -}}
{{- $problems := "" -}}
{{- range $subject := list "namespaces" "webhook" "durations" "replicas" "service" "tls" "redis" "tracing" "credential" "network" "labels" "extraArgs" -}}
{{- $problems = cat $problems (include (printf "apikey-operator.validate.%s" $subject) $) -}}
{{- end -}}
{{- $lines := list -}}
{{- range splitList "\n" $problems -}}
{{- with trim . -}}{{- $lines = append $lines (printf "  - %s" .) -}}{{- end -}}
{{- end -}}
{{- with $lines -}}
{{- fail (printf "\n\nThese values make no sense together:\n%s\n" (join "\n" .)) -}}
{{- end -}}
{{- end -}}

{{/* A Roles-only installation can have nothing that stands in no namespace. */}}
{{- define "apikey-operator.validate.namespaces" -}}
{{- with .Values -}}
{{- if .watchNamespaces }}
{{- if .webhook.enabled }}
webhook.enabled: with watchNamespaces there are Roles only, and a webhook configuration is cluster-scoped: leave it null or false
{{- end }}
{{- if .admissionPolicies.enabled }}
admissionPolicies.enabled: with watchNamespaces there are Roles only, and admission policies are cluster-scoped: leave it null or false. Who may write the status of ApiKeys is then for RBAC alone to say
{{- end }}
{{- if .starterPolicy.enabled }}
starterPolicy.enabled: with watchNamespaces there are Roles only, and an ApiKeyPolicy is cluster-scoped: no policy is read then, and none limits what ApiKeys ask for. Leave it false, or leave watchNamespaces empty
{{- end }}
{{- if eq "deny" (toString .manager.defaultPolicy) }}
manager.defaultPolicy: with watchNamespaces no ApiKeyPolicy can be read, so deny would refuse every key: leave it null or give allow
{{- end }}
{{- if .restoreIdentities }}
restoreIdentities: with watchNamespaces there is no admission policy to list them in: leave it empty
{{- end }}
{{- if ne (len .watchNamespaces) (len (uniq .watchNamespaces)) }}
watchNamespaces: a namespace is named twice
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "apikey-operator.validate.webhook" -}}
{{- $webhook := include "apikey-operator.webhookEnabled" . -}}
{{- if and .Values.webhook.certManager.enabled (not $webhook) }}
webhook.certManager.enabled: there is no webhook to have a certificate
{{- end }}
{{- if and (eq "webhook" .Values.webhook.stamp) (not $webhook) }}
webhook.stamp: there is no webhook to stamp: give auto or none
{{- end }}
{{- if and .Values.starterPolicy.enabled $webhook (eq "Fail" .Values.webhook.failurePolicy) }}
starterPolicy.enabled: with webhook.failurePolicy Fail the policy is refused until a manager is ready, and the release fails with it: give one of them up, and apply your first policy yourself; or install with failurePolicy Ignore, and then upgrade to Fail with starterPolicy.enabled false, which leaves the policy in place
{{- end }}
{{- if eq "policy" .Values.webhook.stamp }}
{{- if not (include "apikey-operator.admissionPoliciesEnabled" .) }}
webhook.stamp: policy is one of the admission policies, and there are none: give auto, webhook or none
{{- else if not (include "apikey-operator.hasMutatingPolicies" .) }}
webhook.stamp: policy needs Kubernetes 1.36, and this is {{ .Capabilities.KubeVersion.Version }}: give auto or webhook
{{- end }}
{{- end }}
{{- end -}}

{{/* The bounds of the flags; the schema has seen that these are durations. */}}
{{- define "apikey-operator.validate.durations" -}}
{{- $hour := 3600000 -}}
{{- range list
  (list "manager.publishDelay" .Values.manager.publishDelay 0 20000 "0s to 20s")
  (list "manager.expiringWindow" .Values.manager.expiringWindow 0 (mul 8760 $hour) "0s to 8760h")
  (list "verifier.drainDelay" .Values.verifier.drainDelay 0 300000 "0s to 5m")
  (list "verifier.connections.readTimeout" .Values.verifier.connections.readTimeout 10 $hour "10ms to 1h")
  (list "verifier.connections.writeTimeout" .Values.verifier.connections.writeTimeout 10 $hour "10ms to 1h")
  (list "verifier.connections.idleTimeout" .Values.verifier.connections.idleTimeout 10 $hour "10ms to 1h")
  (list "verifier.rateLimit.redis.timeout" .Values.verifier.rateLimit.redis.timeout 1 1000 "1ms to 1s")
}}
{{- $milliseconds := include "apikey-operator.milliseconds" (index . 1) | int64 }}
{{- if or (lt $milliseconds (index . 2 | int64)) (gt $milliseconds (index . 3 | int64)) }}
{{ index . 0 }}: {{ index . 1 }} is out of range: give {{ index . 4 }}
{{- end }}
{{- end }}
{{- $staleness := include "apikey-operator.milliseconds" .Values.verifier.maxStaleness | int64 }}
{{- if and (gt $staleness 0) (lt $staleness 120000) }}
verifier.maxStaleness: {{ .Values.verifier.maxStaleness }} is too short, since a quiet cluster is heard from once a minute or so: give 2m or more, or 0s for never
{{- end }}
{{- end -}}

{{- define "apikey-operator.validate.replicas" -}}
{{- with .Values.verifier.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
verifier.autoscaling: minReplicas {{ int .minReplicas }} is more than maxReplicas {{ int .maxReplicas }}
{{- end }}
{{- if not (dig "requests" "cpu" "" $.Values.verifier.resources) }}
verifier.autoscaling: utilization is a part of verifier.resources.requests.cpu: give that
{{- end }}
{{- end }}
{{- end }}
{{- include "apikey-operator.validate.budget" (dict "name" "verifier" "budget" .Values.verifier.podDisruptionBudget "replicas" (include "apikey-operator.minVerifiers" . | int)) }}
{{- if gt (int .Values.manager.replicas) 1 }}
{{- include "apikey-operator.validate.budget" (dict "name" "manager" "budget" .Values.manager.podDisruptionBudget "replicas" (int .Values.manager.replicas)) }}
{{- end }}
{{- end -}}

{{/* A budget that lets no pod go makes every drain of a node wait for ever. Parts are rounded up, as Kubernetes does. */}}
{{- define "apikey-operator.validate.budget" -}}
{{- if .budget.enabled }}
{{- $min := .budget.minAvailable }}
{{- $needed := $min }}
{{- if hasSuffix "%" (toString $min) }}
{{- $needed = div (add 99 (mul .replicas (trimSuffix "%" $min | int))) 100 }}
{{- end }}
{{- if and (kindIs "invalid" $min) (kindIs "invalid" .budget.maxUnavailable) }}
{{ .name }}.podDisruptionBudget: neither maxUnavailable nor minAvailable is given: give one of them
{{- else if and (kindIs "invalid" $min) (has (toString .budget.maxUnavailable) (list "0" "0%")) }}
{{ .name }}.podDisruptionBudget.maxUnavailable: {{ .budget.maxUnavailable }} lets no pod be evicted, so that no node can be drained: give 1 or more
{{- else if and (not (kindIs "invalid" $min)) (ge (int $needed) .replicas) (gt .replicas 0) }}
{{ .name }}.podDisruptionBudget.minAvailable: {{ $min }} of {{ .replicas }} lets no pod be evicted, so that no node can be drained: give less, or have more replicas
{{- end }}
{{- end }}
{{- end -}}

{{- define "apikey-operator.validate.service" -}}
{{- with .Values.verifier.service }}
{{- if and (eq "LoadBalancer" .type) (not .loadBalancerSourceRanges) }}
verifier.service.loadBalancerSourceRanges: whoever reaches the load balancer could try keys: say from where it may be reached, such as [10.0.0.0/8]
{{- else if and (ne "LoadBalancer" .type) .loadBalancerSourceRanges }}
verifier.service.loadBalancerSourceRanges: there is no load balancer: set verifier.service.type to LoadBalancer, or leave the ranges out
{{- end }}
{{- if and (hasPrefix "PreferSame" .trafficDistribution) (semverCompare "<1.34.0-0" $.Capabilities.KubeVersion.Version) }}
verifier.service.trafficDistribution: {{ .trafficDistribution }} needs Kubernetes 1.34, and this is {{ $.Capabilities.KubeVersion.Version }}: give PreferClose
{{- end }}
{{- end }}
{{- end -}}

{{- define "apikey-operator.validate.tls" -}}
{{- with .Values.verifier.tls }}
{{- $ca := or .clientCA.secretName .clientCA.configMapName }}
{{- if and .clientCA.secretName .clientCA.configMapName }}
verifier.tls.clientCA: secretName and configMapName are given: give one of them
{{- end }}
{{- if and $ca (not .secretName) }}
verifier.tls.clientCA: proxies show certificates over TLS alone: give verifier.tls.secretName too
{{- end }}
{{- if and .clientNames (not $ca) }}
verifier.tls.clientNames: names are taken from certificates of proxies: give verifier.tls.clientCA too
{{- end }}
{{- end }}
{{- end -}}

{{- define "apikey-operator.validate.redis" -}}
{{- with .Values.verifier.rateLimit }}
{{- if eq .store "redis" }}
{{- if not .redis.addresses }}
verifier.rateLimit.redis.addresses: requests are to be counted in Redis: say where it is, HOST:PORT
{{- end }}
{{- if and .redis.tls.caSecret.name (not .redis.tls.enabled) }}
verifier.rateLimit.redis.tls.caSecret: there is no certificate to check without TLS: set verifier.rateLimit.redis.tls.enabled
{{- end }}
{{- else if or .redis.addresses .redis.masterName .redis.cluster .redis.username .redis.passwordSecret.name .redis.tls.enabled .redis.tls.caSecret.name }}
verifier.rateLimit.redis: requests are counted in memory: set verifier.rateLimit.store to redis, or leave out what is said of Redis
{{- end }}
{{- end }}
{{- end -}}

{{- define "apikey-operator.validate.tracing" -}}
{{- with .Values.verifier.tracing }}
{{- if and .insecure (not .endpoint) }}
verifier.tracing.insecure: nothing is traced without verifier.tracing.endpoint
{{- end }}
{{- end }}
{{- end -}}

{{/* Names that have a meaning of their own, to HTTP, to a proxy or to the verifier, which would refuse to start. */}}
{{- define "apikey-operator.validate.credential" -}}
{{- $header := lower .Values.verifier.credential.header -}}
{{- $taken := list "authorization" "connection" "content-length" "content-type" "cookie" "expect" "host" "keep-alive" "proxy-connection" "te" "trailer" "transfer-encoding" "upgrade" "user-agent" "x-real-ip" "x-request-id" "x-scheme" "x-sent-from" "x-auth-request-redirect" "traceparent" "tracestate" -}}
{{- if or (has $header $taken) (regexMatch "^x-(apikey|original|forwarded|envoy)-" $header) }}
verifier.credential.header: {{ .Values.verifier.credential.header }} has another meaning: give one of your own, such as X-API-Key
{{- end }}
{{- end -}}

{{- define "apikey-operator.validate.network" -}}
{{- with .Values.networkPolicy }}
{{- if .enabled }}
{{- if not .proxies }}
networkPolicy.proxies: nobody could ask the verifiers: say where the proxies run, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]
{{- end }}
{{- if and $.Values.monitoring.podMonitor.enabled (not .monitoring) }}
networkPolicy.monitoring: there are to be PodMonitors, and nobody could read the metrics: say where Prometheus runs
{{- end }}
{{- if and .egress.enabled (not .egress.extra) (or (eq "redis" $.Values.verifier.rateLimit.store) $.Values.verifier.tracing.endpoint) }}
networkPolicy.egress.extra: verifiers could reach neither Redis nor a collector of traces: say where they are, such as [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: redis}}}], ports: [{port: 6379}]}]
{{- end }}
{{- else if or .proxies .monitoring .apiServers .egress.enabled .egress.dns .egress.extra }}
networkPolicy: it says who may connect, and is not enabled: set networkPolicy.enabled, or leave the rest out
{{- end }}
{{- end }}
{{- end -}}

{{/* Labels that the chart sets itself, of which some select its pods; and those that make one ClusterRole a part of another. */}}
{{- define "apikey-operator.validate.labels" -}}
{{- range $place, $labels := dict
  "commonLabels" .Values.commonLabels "manager.podLabels" .Values.manager.podLabels "verifier.podLabels" .Values.verifier.podLabels
  "monitoring.podMonitor.labels" .Values.monitoring.podMonitor.labels "monitoring.prometheusRule.labels" .Values.monitoring.prometheusRule.labels
  "monitoring.dashboard.labels" .Values.monitoring.dashboard.labels
}}
{{- range $label, $_ := $labels }}
{{- if regexMatch "^(app\\.kubernetes\\.io/(name|instance|version|component|managed-by)|helm\\.sh/chart)$" $label }}
{{ $place }}: {{ $label }} is for the chart to set
{{- end }}
{{- end }}
{{- end }}
{{- range $label, $_ := .Values.commonLabels }}
{{- if hasPrefix "rbac.authorization.k8s.io/aggregate-to-" $label }}
commonLabels: {{ $label }} would give the rights of the manager, which reads Secrets, to everybody with the role that it names: leave it out
{{- end }}
{{- end }}
{{- end -}}

{{/* Flags that the chart sets itself would contradict its ports, mounts and rights. */}}
{{- define "apikey-operator.validate.extraArgs" -}}
{{- $wired := list "--bind-address" "--grpc-bind-address" "--health-probe-bind-address" "--metrics-bind-address" "--webhook-bind-address" "--webhook-cert-dir" "--webhook-service" "--leader-elect" "--leader-election-namespace" "--restore-mode" "--restore-identities" "--watch-namespaces" "--trusted-proxies" "--tls-cert-file" "--tls-key-file" "--tls-client-ca-file" "--tls-client-names" "--tracing-endpoint" "--tracing-insecure" "--tracing-sample-ratio" "--credential-query" "--credential-cookie" "--credential-body" -}}
{{- range $component := list "manager" "verifier" }}
{{- $set := $wired }}
{{- range include (printf "apikey-operator.%sArgs" $component) $ | fromYamlArray }}
{{- $set = append $set (first (splitList "=" .)) }}
{{- end }}
{{- range (get $.Values $component).extraArgs }}
{{- $flag := first (splitList "=" .) }}
{{- if or (has $flag $set) (hasPrefix "--redis-" $flag) }}
{{ $component }}.extraArgs: {{ $flag }} is for the chart to set: use its value
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
