# `make` lists the targets. What takes long is built once into a cache shared by checkouts (hack/lib/cache.sh says
# where), so the first run takes minutes and the next ones seconds.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# RACE=1 builds the binary with the race detector, under a name of its own; make test-e2e RACE=1 runs it.
RACE ?=
BINARY := $(CURDIR)/bin/apikey-operator$(if $(RACE),-race)
# How long each fuzz test runs in `make fuzz`.
FUZZTIME ?= 10s
# More flags for `go test`, such as -v or -run.
TESTFLAGS ?=
# Tests that need servers have targets of their own.
NOT_UNIT := /test/(chaos|chart|cluster|e2e|gitops|guides|image|integration|monitoring|ratelimit|scale|sizing)
# The modules of this repository.
MODULES := . hack/localcluster hack/tools $(patsubst %/go.mod,%,$(wildcard hack/tools/*/go.mod))

# Kubernetes' own packages are compiled without cgo for the local control plane; checked the same way, they are not compiled twice.
LOCALCLUSTER_GO := GOWORK=off CGO_ENABLED=0

##@ General

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## Build bin/apikey-operator (VERSION= overrides what git says; RACE=1 adds the race detector).
	@hack/step.sh "build $(notdir $(BINARY)) $(VERSION)" env CGO_ENABLED=$(if $(RACE),1,0) \
		go build $(if $(RACE),-race) -ldflags "-s -w -X main.version=$(VERSION)" -o $(BINARY) ./cmd/apikey-operator

.PHONY: image
image: ## Build the image into bin/image, with the list of what it is made of (VERSION=, PLATFORM=linux/arm64, GO_IMAGE=).
	@VERSION=$(VERSION) hack/step.sh "image $(VERSION)" hack/image.sh

.PHONY: demo
demo: build ## Show the whole thing for real on this machine; KEEP=1 leaves it running.
	@assets=$$(hack/build-localcluster.sh); \
	nginx=$${NGINX:-$$(hack/nginx.sh)}; \
	LOCALCLUSTER=$$assets/localcluster KUBECTL=$$assets/kubectl NGINX=$$nginx APIKEY_OPERATOR=$(BINARY) KEEP=$(KEEP) \
		hack/demo.sh

.PHONY: clean
clean: ## Remove what was built in this checkout.
	rm -rf bin

.PHONY: clean-cache
clean-cache: ## Remove the cache with the local control plane, the tools, the proxies and Redis (minutes to build again).
	@source hack/lib/cache.sh; set -x; rm -rf "$$(cache_dir)"

##@ Checks

.PHONY: verify
verify: ## Regenerate, and check formatting, vet, lint, vulnerabilities, go.mod files; CI=true also fails on a dirty tree.
	@hack/step.sh verify hack/verify.sh

.PHONY: generate
generate: ## Generate deep-copy code, CRDs, RBAC roles and the references of API and metrics from the Go sources, and what of the chart comes from them.
	@tools=$$(hack/build-tools.sh); reference=$$(hack/build-tools.sh reference); charts=$$(hack/build-tools.sh charts); \
	controller_gen() { hack/step.sh "controller-gen $${1%%,*}" $$tools/controller-gen "$$@"; }; \
	controller_gen object paths=./api/...; \
	controller_gen crd paths=./api/... output:crd:dir=config/crd/bases; \
	controller_gen rbac:roleName=apikey-operator-manager,fileName=manager_role.yaml paths=./controllers/apikey paths=./controllers/policy paths=./controllers/webhookcert output:rbac:dir=config/rbac; \
	controller_gen rbac:roleName=apikey-operator-verifier,fileName=verifier_role.yaml paths=./controllers/indexfeed output:rbac:dir=config/rbac; \
	hack/step.sh "crd-ref-docs" $$reference/crd-ref-docs --log-level=ERROR --source-path=api/v1alpha1 --config=hack/reference/config.yaml \
		--templates-dir=hack/reference --renderer=markdown --output-path=docs/reference/api.md; \
	hack/step.sh "copies and README of the chart" hack/generate-chart.sh $$charts/helm-docs
	@hack/step.sh "metric reference" go run ./hack/metrics -output docs/reference/metrics.md

.PHONY: fmt
fmt: ## Format the Go sources.
	@tools=$$(hack/build-tools.sh); \
	for module in $(MODULES); do (cd $$module && $$tools/golangci-lint fmt); done

.PHONY: vet
vet: ## Run go vet on every module.
	@hack/step.sh "vet" go vet ./...
	@cd hack/localcluster && ../step.sh "vet hack/localcluster" env $(LOCALCLUSTER_GO) go vet ./...

# The linter would need gigabytes for the few lines that link the kubelet.
.PHONY: lint
lint: ## Run golangci-lint, with the import directions, on every module.
	@tools=$$(hack/build-tools.sh); \
	hack/step.sh "lint" $$tools/golangci-lint run; \
	cd hack/localcluster; \
	packages=$$(go list -f '{{.Dir}}' ./... | grep -v '/node$$'); \
	../step.sh "lint hack/localcluster" env $(LOCALCLUSTER_GO) $$tools/golangci-lint run $$packages

.PHONY: vuln
vuln: ## Look for known vulnerabilities, where their database can be reached.
	@tools=$$(hack/build-tools.sh); hack/step.sh "vuln" hack/vuln.sh $$tools/govulncheck

.PHONY: tidy-check
tidy-check: ## Check that every go.mod and go.sum is what go mod tidy writes.
	@for module in $(MODULES); do (cd $$module && $(CURDIR)/hack/step.sh "go mod tidy -diff in $$module" go mod tidy -diff); done

##@ Tests

.PHONY: test
test: ## Run all tests that are done in minutes and need no root.
	@began=$$(date +%s); \
	$(MAKE) chart-test test-unit test-slow-clients sim test-ratelimit test-localcluster test-integration test-e2e test-guides test-monitoring test-gitops test-scale; \
	echo "all tests passed in $$(($$(date +%s) - began)) s"

.PHONY: test-slow
test-slow: ## Run those that take longest, and those that need root or docker: planted mistakes, chaos, the image, a node, the chart on it.
	@began=$$(date +%s); \
	$(MAKE) test-mutations test-chaos test-image test-node test-cluster; \
	echo "all slow tests passed in $$(($$(date +%s) - began)) s"

.PHONY: chart-test
chart-test: build ## Lint the chart, run its own suites, and compare it with kustomize, the program's flags and a real API server.
	@assets=$$(hack/build-localcluster.sh); charts=$$(hack/build-tools.sh charts); \
	hack/step.sh "lint of the chart" $$charts/helm lint --strict --quiet charts/apikey-operator; \
	hack/step.sh "suites of the chart" $$charts/helm-unittest --strict --color=false charts/apikey-operator; \
	HELM=$$charts/helm LOCALCLUSTER=$$assets/localcluster KUBECTL=$$assets/kubectl APIKEY_OPERATOR=$(BINARY) \
		hack/step.sh "tests of the chart" go test -count=1 -timeout 10m $(TESTFLAGS) ./test/chart

.PHONY: test-unit
test-unit: ## Run the tests that need no server, with the race detector.
	@hack/step.sh "unit tests with the race detector" \
		go test -race $(TESTFLAGS) $$(go list ./... | grep -v -E '$(NOT_UNIT)|/test/sim$$')

.PHONY: test-slow-clients
test-slow-clients: ## Show that 1,000 slow clients delay nobody else; alone and without the race detector, since it measures time.
	@hack/step.sh "1,000 slow clients" go test -count=1 -timeout 5m $(TESTFLAGS) -run SlowClients ./internal/authhttp

.PHONY: sim
sim: ## Search HISTORIES (10000) random histories of keys for one that breaks an invariant; SEED= plays an earlier run again.
	@hack/step.sh "$(or $(HISTORIES),10000) random histories" hack/sim.sh $(or $(HISTORIES),10000) $(SEED)

.PHONY: test-mutations
test-mutations: ## Plant mistakes into the program, one at a time, and see that the search finds each.
	@hack/step.sh "planted mistakes" go test -count=1 -timeout 30m $(TESTFLAGS) -run Planted ./test/sim

.PHONY: test-ratelimit
test-ratelimit: ## Run the tests of rate limits on a real redis-server (REDIS_SERVER= to use your own).
	@redis=$$(hack/redis.sh); \
	REDIS_SERVER=$$redis hack/step.sh "rate limits on a real Redis" go test -race -count=1 -timeout 5m $(TESTFLAGS) ./test/ratelimit

.PHONY: test-image
test-image: ## Test the image: what is in it, as whom it runs, and that it is the same when it is built again.
	@image=$$(VERSION=$(VERSION) hack/step.sh "image $(VERSION)" hack/image.sh); \
	IMAGE=$(CURDIR)/$$image hack/step.sh "tests of the image" go test -count=1 -timeout 15m $(TESTFLAGS) ./test/image

.PHONY: test-cluster
test-cluster: ## Install the chart on a real node, and do there what users do, under traffic (needs root and Linux, or kind and docker).
	@VERSION=$(VERSION) hack/test-cluster.sh $(TESTFLAGS)

.PHONY: test-localcluster
test-localcluster: ## Run the tests of the local control plane itself.
	@assets=$$(hack/build-localcluster.sh); cd hack/localcluster; \
	LOCALCLUSTER=$$assets/localcluster ../step.sh "tests of the local control plane" \
		env $(LOCALCLUSTER_GO) go test -count=1 -timeout 15m $(TESTFLAGS) ./cluster ./supervise ./e2e

.PHONY: test-node
test-node: ## Run the tests of the cluster with a real node that other tests run pods on (Linux, root).
	@node=$$(hack/build-node.sh); cd hack/localcluster; \
	NODE=$$node ../step.sh "tests of the cluster with a node" \
		env $(LOCALCLUSTER_GO) go test -count=1 -timeout 10m $(TESTFLAGS) ./node/archive ./node/machine ./node/e2e

.PHONY: test-integration
test-integration: ## Run the tests on a real API server (KUBEBUILDER_ASSETS= to use your own).
	@assets=$${KUBEBUILDER_ASSETS:-$$(hack/build-localcluster.sh)}; \
	KUBEBUILDER_ASSETS=$$assets KUBECTL=$$assets/kubectl hack/step.sh "integration tests" \
		go test -count=1 -timeout 20m $(TESTFLAGS) ./test/integration/...

.PHONY: test-e2e
test-e2e: build ## Run the tests of the built binary behind real proxies (NGINX=, ENVOY=, TRAEFIK=, CADDY=, HAPROXY= to use your own).
	@assets=$$(hack/build-localcluster.sh); \
	nginx=$${NGINX:-$$(hack/nginx.sh)}; \
	envoy=$$(hack/proxies.sh envoy); traefik=$$(hack/proxies.sh traefik); caddy=$$(hack/proxies.sh caddy); haproxy=$$(hack/proxies.sh haproxy); \
	redis=$$(hack/redis.sh); \
	KUBEBUILDER_ASSETS=$$assets LOCALCLUSTER=$$assets/localcluster KUBECTL=$$assets/kubectl \
	NGINX=$$nginx ENVOY=$$envoy TRAEFIK=$$traefik CADDY=$$caddy HAPROXY=$$haproxy REDIS_SERVER=$$redis APIKEY_OPERATOR=$(BINARY) $(if $(RACE),GORACE=halt_on_error=1) hack/step.sh "end-to-end tests" \
		go test -count=1 -timeout 30m $(TESTFLAGS) ./test/e2e/...

.PHONY: test-guides
test-guides: build ## Do what docs/guides say: apply their manifests, run their commands, with real proxies (variables as for test-e2e).
	@assets=$$(hack/build-localcluster.sh); crds=$$(hack/proxy-crds.sh); contour=$$(hack/build-tools.sh contour); gateway=$$(hack/build-tools.sh envoy-gateway); \
	nginx=$${NGINX:-$$(hack/nginx.sh)}; envoy=$$(hack/proxies.sh envoy); traefik=$$(hack/proxies.sh traefik); caddy=$$(hack/proxies.sh caddy); \
	LOCALCLUSTER=$$assets/localcluster KUBECTL=$$assets/kubectl PROXY_CRDS=$$crds CONTOUR=$$contour/contour EGCTL=$$gateway/egctl \
	NGINX=$$nginx ENVOY=$$envoy TRAEFIK=$$traefik CADDY=$$caddy APIKEY_OPERATOR=$(BINARY) hack/step.sh "the guides" \
		go test -count=1 -timeout 10m $(TESTFLAGS) ./test/guides

# real WHAT,PACKAGE runs the tests of a package with the built binary on the local control plane.
define real
	@assets=$$(hack/build-localcluster.sh); \
	nginx=$${NGINX:-$$(hack/nginx.sh)}; \
	KUBEBUILDER_ASSETS=$$assets LOCALCLUSTER=$$assets/localcluster KUBECTL=$$assets/kubectl \
	NGINX=$$nginx APIKEY_OPERATOR=$(BINARY) $(if $(RACE),GORACE=halt_on_error=1) $(3) hack/step.sh "$(1)" \
		go test -count=1 -timeout 2h -v $(TESTFLAGS) $(2)
endef

# monitored VARIABLES runs the tests of metrics, alerts and dashboard.
define monitored
	@assets=$$(hack/build-localcluster.sh); monitoring=$$(hack/build-tools.sh monitoring); redis=$$(hack/redis.sh); \
	nginx=$${NGINX:-$$(hack/nginx.sh)}; \
	LOCALCLUSTER=$$assets/localcluster KUBECTL=$$assets/kubectl NGINX=$$nginx REDIS_SERVER=$$redis APIKEY_OPERATOR=$(BINARY) \
	PROMETHEUS=$$monitoring/prometheus PROMTOOL=$$monitoring/promtool $(1) hack/step.sh "metrics, alerts and dashboard on a real Prometheus" \
		go test -count=1 -timeout 20m $(TESTFLAGS) ./test/monitoring/...
endef

.PHONY: test-monitoring
test-monitoring: build ## Run the tests of alerts and dashboard with a real Prometheus that scrapes real processes.
	$(call monitored)

.PHONY: dashboard-picture
dashboard-picture: build ## Draw docs/images/dashboard.svg from what a real Prometheus scraped in five minutes of such a run.
	$(call monitored,DASHBOARD_PICTURE=$(CURDIR)/docs/images/dashboard.svg)

.PHONY: chaos
chaos: build ## Kill and stop the processes for CHAOS (2m) while keys rotate and are used (SEED= repeats the faults).
	$(call real,chaos,./test/chaos,CHAOS=$(or $(CHAOS),2m) SEED=$(SEED))

.PHONY: test-chaos
test-chaos: build ## The same for 15 seconds, and until all has settled.
	$(call real,chaos for a short time,./test/chaos,CHAOS=15s SEED=$(SEED))

.PHONY: scale
scale: build ## Count what it costs to rotate KEYS (5000) at once, and to restart with RESTART_KEYS (10000).
	$(call real,scale,./test/scale,KEYS=$(or $(KEYS),5000) RESTART_KEYS=$(or $(RESTART_KEYS),10000) GRACE=$(or $(GRACE),1m))

.PHONY: test-scale
test-scale: build ## The same with 100 and 150, and what make sizing does with 100.
	$(call real,scale with few keys,./test/scale,KEYS=100 RESTART_KEYS=150 GRACE=1s QPS=150 BURST=100)
	$(call real,sizing with few keys,./test/sizing,KEYS=100 IDLE=1s)

.PHONY: sizing
sizing: build ## Measure memory, start and idle processor of manager and verifier for KEYS ("1000 10000 100000") ApiKeys; minutes.
	$(call real,sizing,./test/sizing,KEYS='$(or $(KEYS),1000 10000 100000)')

# What these tests do most is wait, so more of them go on at once than there are processors.
.PHONY: test-gitops
test-gitops: build ## Show that it is fit for GitOps: Argo CD's health scripts, kstatus, no drift, two owners, a real Flux.
	@assets=$$(hack/build-localcluster.sh); charts=$$(hack/build-tools.sh charts); flux=$$(hack/build-tools.sh gitops); \
	nginx=$${NGINX:-$$(hack/nginx.sh)}; \
	LOCALCLUSTER=$$assets/localcluster KUBECTL=$$assets/kubectl NGINX=$$nginx APIKEY_OPERATOR=$(BINARY) HELM=$$charts/helm \
	SOURCE_CONTROLLER=$$flux/source-controller KUSTOMIZE_CONTROLLER=$$flux/kustomize-controller HELM_CONTROLLER=$$flux/helm-controller \
		hack/step.sh "GitOps" \
		go test -count=1 -timeout 10m -parallel 16 $(TESTFLAGS) ./test/gitops

.PHONY: bench
bench: ## Compare the verifier's speed with nginx's and others' in the same run (BENCH= selects rows, ROUNDS= (9), PROFILES= is a directory).
	@nginx=$${NGINX:-$$(hack/nginx.sh)}; go build -o bin/perf ./test/perf; \
	hack/step.sh "bench" bin/perf -nginx "$$nginx" -rows '$(BENCH)' -rounds $(or $(ROUNDS),9) -report bin/bench.json \
		$(if $(PROFILES),-profiles '$(PROFILES)')

.PHONY: microbench
microbench: ## Run the benchmarks of single packages (MICROBENCH= selects some).
	@hack/step.sh "benchmarks" go test -run '^$$' -bench '$(or $(MICROBENCH),.)' -benchmem $(TESTFLAGS) \
		$$(go list ./... | grep -v -E '$(NOT_UNIT)|/test/perf')

.PHONY: timing
timing: ## Measure whether the time of a refusal tells how much of a key was right (quiet machine, a minute).
	@go test -count=1 -run '^$$' -bench TimingOfRefusals -benchtime 1x $(TESTFLAGS) ./internal/authhttp

.PHONY: fuzz
fuzz: ## Run each fuzz test for FUZZTIME (10s; 10m is thorough), or those whose names match FUZZ.
	@hack/fuzz.sh $(FUZZTIME) $(FUZZ)

.PHONY: fuzz-list
fuzz-list: ## Name the fuzz tests.
	@hack/fuzz.sh list
