package chart

import "strings"

// change is another value than the default.
type change struct {
	value string // as YAML
	want  string // what is rendered more often with it than without
	gone  string // or what is rendered less often
	with  string // values that give it a meaning
}

// common are the changes of values that both programs have.
func common(program string) map[string]change {
	return map[string]change{
		"logLevel":                           {value: "DEBUG", want: "--log-level=DEBUG"},
		"extraArgs":                          {value: "[--version]", want: `"--version"`},
		"extraEnv":                           {value: "[{name: OTEL_SERVICE_NAME, value: x}]", want: "name: OTEL_SERVICE_NAME"},
		"resources":                          {value: "{limits: {memory: 77Mi}}", want: "memory: 77Mi"},
		"podDisruptionBudget.enabled":        {value: "false", gone: "kind: PodDisruptionBudget"},
		"podDisruptionBudget.maxUnavailable": {value: "2", want: "maxUnavailable: 2"},
		"podDisruptionBudget.minAvailable":   {value: "1", want: "minAvailable: 1"},
		"serviceAccount.annotations":         {value: "{example.com/role: x}", want: "example.com/role: x"},
		"podLabels":                          {value: "{tier: x}", want: "tier: x"},
		"podAnnotations":                     {value: "{example.com/note: x}", want: "example.com/note: x"},
		"priorityClassName":                  {value: "system-node-critical", want: "priorityClassName: system-node-critical"},
		"nodeSelector":                       {value: "{pool: x}", want: "pool: x"},
		"tolerations":                        {value: "[{key: dedicated, operator: Exists}]", want: "key: dedicated"},
		"affinity":                           {value: "{podAntiAffinity: {}}", want: "podAntiAffinity: {}"},
		"topologySpreadConstraints":          {value: "[{topologyKey: rack}]", want: "topologyKey: rack"},
		"extraVolumes":                       {value: "[{name: " + program + "-scratch, emptyDir: {}}]", want: "name: " + program + "-scratch"},
		"extraVolumeMounts":                  {value: "[{name: a, mountPath: /scratch}]", want: "mountPath: /scratch"},
	}
}

// changes has another value for every value that there is.
func changes() map[string]change {
	const (
		autoscaling = "verifier: {autoscaling: {enabled: true}}"
		network     = "networkPolicy: {enabled: true, proxies: [{podSelector: {}}]}"
		egress      = "networkPolicy: {enabled: true, proxies: [{podSelector: {}}], egress: {enabled: true}}"
		tls         = "verifier: {tls: {secretName: a, clientCA: {secretName: b}}}"
		peers       = "[{namespaceSelector: {matchLabels: {team: x}}}]"
	)
	all := map[string]change{
		"image.repository":          {value: "registry.example/x", want: `image: "registry.example/x:`},
		"image.tag":                 {value: "v9", want: `/apikey-operator:v9"`},
		"image.digest":              {value: "sha256:" + strings.Repeat("0", 64), want: `@sha256:0000`},
		"image.pullPolicy":          {value: "Always", want: "imagePullPolicy: Always"},
		"imagePullSecrets":          {value: "[{name: registry}]", want: "imagePullSecrets:"},
		"commonLabels":              {value: "{team: x}", want: "team: x"},
		"crds.install":              {value: "false", gone: "kind: CustomResourceDefinition"},
		"crds.keep":                 {value: "false", gone: "helm.sh/resource-policy: keep"},
		"watchNamespaces":           {value: "[team-x]", want: "--watch-namespaces=team-x"},
		"admissionPolicies.enabled": {value: "false", gone: "kind: ValidatingAdmissionPolicy"},
		"restoreIdentities":         {value: "[velero]", want: `expression: "[\"velero\"]"`},

		"manager.replicas":       {value: "3", want: "replicas: 3"},
		"manager.defaultPolicy":  {value: "allow", want: "--default-policy=allow"},
		"manager.publishDelay":   {value: "7s", want: "--publish-delay=7s"},
		"manager.expiringWindow": {value: "77h", want: "--expiring-window=77h"},
		"manager.kubeApiQps":     {value: "77", want: "--kube-api-qps=77"},
		"manager.kubeApiBurst":   {value: "77", want: "--kube-api-burst=77"},
		"manager.restoreMode":    {value: "true", want: "--restore-mode=true"},

		"webhook.enabled":             {value: "false", want: "--webhook-bind-address=0"},
		"webhook.failurePolicy":       {value: "Fail", want: "failurePolicy: Fail", with: "admissionPolicies: {enabled: false}"},
		"webhook.stamp":               {value: "webhook", want: "kind: MutatingWebhookConfiguration"},
		"webhook.timeoutSeconds":      {value: "7", want: "  timeoutSeconds: 7"},
		"webhook.certManager.enabled": {value: "true", want: "cert-manager.io/inject-ca-from:"},

		"verifier.replicas":                                   {value: "7", want: "replicas: 7"},
		"verifier.autoscaling.enabled":                        {value: "true", want: "kind: HorizontalPodAutoscaler"},
		"verifier.autoscaling.minReplicas":                    {value: "7", want: "minReplicas: 7", with: autoscaling},
		"verifier.autoscaling.maxReplicas":                    {value: "7", want: "maxReplicas: 7", with: autoscaling},
		"verifier.autoscaling.targetCPUUtilizationPercentage": {value: "77", want: "averageUtilization: 77", with: autoscaling},
		"verifier.autoscaling.behavior":                       {value: "{scaleUp: {stabilizationWindowSeconds: 7}}", want: "stabilizationWindowSeconds: 7", with: autoscaling},
		"verifier.service.type":                               {value: "NodePort", want: "type: NodePort"},
		"verifier.service.annotations":                        {value: "{example.com/note: x}", want: "example.com/note: x"},
		"verifier.service.trafficDistribution":                {value: "PreferClose", want: "trafficDistribution: PreferClose"},
		"verifier.service.loadBalancerSourceRanges":           {value: "[192.0.2.0/24]", want: "- 192.0.2.0/24", with: "verifier: {service: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]}}"},
		"verifier.drainDelay":                                 {value: "7s", want: "--drain-delay=7s"},
		"verifier.maxStaleness":                               {value: "7m", want: "--max-staleness=7m"},
		"verifier.decisionLog.mode":                           {value: "all", want: "--decision-log=all"},
		"verifier.decisionLog.sample":                         {value: "7", want: "--decision-log-sample=7"},
		"verifier.trustedProxies":                             {value: "[10.0.0.0/8]", want: "--trusted-proxies=10.0.0.0/8"},
		"verifier.credential.header":                          {value: "X-Other", want: "--credential-header=X-Other"},
		"verifier.credential.authorization":                   {value: "false", want: "--credential-authorization=false"},
		"verifier.credential.query":                           {value: "q", want: "--credential-query=q"},
		"verifier.credential.cookie":                          {value: "c", want: "--credential-cookie=c"},
		"verifier.credential.body":                            {value: "b", want: "--credential-body=b"},
		"verifier.credential.realm":                           {value: "r", want: "--realm=r"},
		"verifier.connections.max":                            {value: "77", want: "--max-connections=77"},
		"verifier.connections.maxHeaderBytes":                 {value: "7777", want: "--max-header-bytes=7777"},
		"verifier.connections.maxBodyBytes":                   {value: "77", want: "--max-body-bytes=77"},
		"verifier.connections.readTimeout":                    {value: "7s", want: "--read-timeout=7s"},
		"verifier.connections.writeTimeout":                   {value: "7s", want: "--write-timeout=7s"},
		"verifier.connections.idleTimeout":                    {value: "77s", want: "--idle-timeout=77s"},
		"verifier.grpc.enabled":                               {value: "false", want: "--grpc-bind-address=0"},
		"verifier.grpc.removeCredential":                      {value: "false", want: "--grpc-remove-credential=false"},
		"verifier.grpc.maxMessageBytes":                       {value: "77777", want: "--grpc-max-message-bytes=77777"},
		"verifier.grpc.reflection":                            {value: "true", want: "--grpc-reflection=true"},
		"verifier.tls.secretName":                             {value: "x", want: "--tls-cert-file="},
		"verifier.tls.clientCA.secretName":                    {value: "x", want: "--tls-client-ca-file=", with: "verifier: {tls: {secretName: a}}"},
		"verifier.tls.clientCA.configMapName":                 {value: "x", want: "configMap:", with: "verifier: {tls: {secretName: a}}"},
		"verifier.tls.clientCA.key":                           {value: "x.pem", want: "key: x.pem", with: tls},
		"verifier.tls.clientNames":                            {value: "[x.example]", want: "--tls-client-names=x.example", with: tls},
		"verifier.rateLimit.store":                            {value: "redis, redis: {addresses: ['x:1']}", want: "--rate-limit-store=redis"},
		"verifier.rateLimit.redis.addresses":                  {value: "['x:1']", want: "--redis-address=x:1", with: redis},
		"verifier.rateLimit.redis.masterName":                 {value: "x", want: "--redis-master-name=x", with: redis},
		"verifier.rateLimit.redis.cluster":                    {value: "true", want: "--redis-cluster=true", with: redis},
		"verifier.rateLimit.redis.username":                   {value: "x", want: "--redis-username=x", with: redis},
		"verifier.rateLimit.redis.passwordSecret.name":        {value: "x", want: "--redis-password-file=", with: redis},
		"verifier.rateLimit.redis.passwordSecret.key":         {value: "x", want: "key: x", with: "verifier: {rateLimit: {store: redis, redis: {addresses: ['a:1'], passwordSecret: {name: a}}}}"},
		"verifier.rateLimit.redis.tls.enabled":                {value: "true", want: "--redis-tls=true", with: redis},
		"verifier.rateLimit.redis.tls.caSecret.name":          {value: "x", want: "--redis-tls-ca-file=", with: "verifier: {rateLimit: {store: redis, redis: {addresses: ['a:1'], tls: {enabled: true}}}}"},
		"verifier.rateLimit.redis.tls.caSecret.key":           {value: "x", want: "key: x", with: "verifier: {rateLimit: {store: redis, redis: {addresses: ['a:1'], tls: {enabled: true, caSecret: {name: a}}}}}"},
		"verifier.rateLimit.redis.keyPrefix":                  {value: "x", want: "--redis-key-prefix=x", with: redis},
		"verifier.rateLimit.redis.timeout":                    {value: "7ms", want: "--redis-timeout=7ms", with: redis},
		"verifier.rateLimit.redis.failurePolicy":              {value: "deny", want: "--redis-failure-policy=deny", with: redis},
		"verifier.tracing.endpoint":                           {value: "'x:1'", want: "--tracing-endpoint=x:1"},
		"verifier.tracing.insecure":                           {value: "true", want: "--tracing-insecure=true", with: "verifier: {tracing: {endpoint: 'a:1'}}"},
		"verifier.tracing.sampleRatio":                        {value: "0.7", want: "--tracing-sample-ratio=0.7", with: "verifier: {tracing: {endpoint: 'a:1'}}"},

		"starterPolicy.enabled":               {value: "true", want: "kind: ApiKeyPolicy"},
		"starterPolicy.name":                  {value: "x", want: `name: "x"`, with: "starterPolicy: {enabled: true}"},
		"starterPolicy.spec":                  {value: "{namespaceSelector: {}, tenants: [x]}", want: "tenants:", with: "starterPolicy: {enabled: true}\ncrds: {install: false}"},
		"networkPolicy.enabled":               {value: "true, proxies: [{podSelector: {}}]", want: "kind: NetworkPolicy"},
		"networkPolicy.proxies":               {value: peers, want: "team: x", with: network},
		"networkPolicy.monitoring":            {value: peers, want: "team: x", with: network},
		"networkPolicy.apiServers":            {value: peers, want: "team: x", with: network},
		"networkPolicy.egress.enabled":        {value: "true", want: "policyTypes: [Ingress, Egress]", with: network},
		"networkPolicy.egress.dns":            {value: peers, want: "team: x", with: egress},
		"networkPolicy.egress.apiServerPorts": {value: "[777]", want: "port: 777", with: egress},
		"networkPolicy.egress.extra":          {value: "[{ports: [{port: 777}]}]", want: "port: 777", with: egress},
		"monitoring.podMonitor.enabled":       {value: "true", want: "kind: PodMonitor"},
		"monitoring.podMonitor.labels":        {value: "{release: x}", want: "release: x", with: "monitoring: {podMonitor: {enabled: true}}"},
		"monitoring.podMonitor.interval":      {value: "77s", want: "interval: 77s", with: "monitoring: {podMonitor: {enabled: true}}"},
		"monitoring.prometheusRule.enabled":   {value: "true", want: "kind: PrometheusRule"},
		"monitoring.prometheusRule.labels":    {value: "{release: x}", want: "release: x", with: "monitoring: {prometheusRule: {enabled: true}}"},
		"monitoring.dashboard.enabled":        {value: "true", want: "kind: ConfigMap"},
		"monitoring.dashboard.labels":         {value: "{sidecar: x}", want: "sidecar: x", with: "monitoring: {dashboard: {enabled: true}}"},
		"monitoring.dashboard.annotations":    {value: "{folder: x}", want: "folder: x", with: "monitoring: {dashboard: {enabled: true}}"},
	}
	for _, program := range []string{"manager", "verifier"} {
		for name, c := range common(program) {
			c.with = program + ": {replicas: 4}"
			all[program+"."+name] = c
		}
	}
	return all
}
