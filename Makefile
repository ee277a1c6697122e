# Everything is built from pinned Go modules into bin/; only Go, git, make and a C compiler (for the race detector)
# are assumed. The modules are listed once, here; go.work ties the same ones.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory --warn-undefined-variables

PRODUCT := pkg services/consensus services/lease services/watch services/api services/quorate services/ctl services/console deploy/stack
MODULES := $(PRODUCT) tests deploy/check
# Without grpc-go's tracing pages the linker drops the methods that nobody calls: a fifth of the programs, which is resident memory.
TAGS = grpcnotrace
VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TOOLS := bin/tools/.built
PEERS := bin/peers/etcd bin/peers/etcdctl bin/peers/etcdutl
OLDER := bin/older/etcd34 bin/older/etcd35 bin/older/etcd36
PROTOS := bin/proto/buf/validate/validate.proto bin/proto/kv.proto
empty :=
GENERATED := pkg/gen services/api/internal/etcdconnect
# A module must stand by its own go.mod: what ships, and what lint looks at, is built without the workspace.
ALONE := GOWORK=off
# What is not run under the race detector is compiled as the programs are that ship, so that it is compiled once.
AS_SHIPPED = CGO_ENABLED=0 GOFLAGS='$(GOFLAGS) -trimpath -tags=$(TAGS)'
PLAIN = $(ALONE) $(AS_SHIPPED)
GOFLAGS ?=
CI ?=

.PHONY: help
help: ## Describe the make targets
	@grep -hE '^[a-z-]+:.*?## .*$$' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*?## "}; {printf "%-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build bin/quorate, its command-line tools, and the programs of services that run apart
	@mkdir -p bin
	$(call COMPILE,services/quorate,bin/,./cmd/...)
	$(call COMPILE,services/ctl,bin/,./cmd/...)
	$(call COMPILE,deploy/stack,bin/quorate-stack,.)
# Programs come without symbol tables, a quarter of their size; traces of panics and profiles have their names and lines all the same.
COMPILE = $(PLAIN) go -C $(1) build -ldflags '-s -w -X main.version=$(VERSION)' -o $(CURDIR)/$(2) $(3)

.PHONY: images
images: ## Build a container image of each program, with its version and latest as tags (Docker)
	@rm -rf bin/images && mkdir -p bin/images/empty bin/images/own && mkdir -m 700 bin/images/own/data
	$(call COMPILE,services/quorate,bin/images/,$(patsubst %,./cmd/%,$(filter-out quorate-stack,$(IMAGES))))
	$(call COMPILE,deploy/stack,bin/images/quorate-stack,.)
	@for image in $(IMAGES); do \
		$(DOCKER_BUILD) --quiet --file deploy/Dockerfile --target $$image --build-arg VERSION='$(VERSION)' --build-arg REVISION="$$(git rev-parse HEAD)" \
			--tag $$image:latest --tag $$image:'$(VERSION)' bin/images >bin/.images.log 2>&1 || { cat bin/.images.log; exit 1; }; \
		docker image inspect --format '{{index .RepoTags 0}} {{.Size}} bytes' $$image:latest; \
	done
IMAGES := quorate quorate-consensus quorate-lease quorate-watch quorate-api quorate-stack
# The older builder does where the newer one's plugin is missing.
DOCKER_BUILD = $(if $(shell docker buildx version 2>/dev/null),,DOCKER_BUILDKIT=0 )docker build

# The time in all of it is the commit's, and no path of this machine is in it: two runs give the same bytes.
.PHONY: packages
packages: ## Build packages for Debian and RPM, archives, OCI images, a Homebrew formula, lists of modules and checksums into bin/packages; PLATFORMS=linux/amd64
	@rm -rf $(PACKAGES) && mkdir -p $(PACKAGES) bin/packages.work
	@for platform in $(PLATFORMS); do \
		echo "building for $$platform"; export GOOS=$${platform%/*} GOARCH=$${platform#*/}; to=bin/packages.work/programs/$${GOOS}_$$GOARCH/; \
		$(call COMPILE,services/quorate,$$to,./cmd/quorate); \
		$(call COMPILE,services/ctl,$$to,./cmd/...); \
	done
	@$(if $(filter $(HOST),$(PLATFORMS)),,$(call COMPILE,services/quorate,bin/packages.work/host/,./cmd/quorate))
	@$(if $(filter $(HOST),$(PLATFORMS)),,$(call COMPILE,services/ctl,bin/packages.work/host/,./cmd/...))
	@$(PLAIN) go -C services/ctl run ./internal/manual $(CURDIR)/bin/packages.work/manual
	@git archive --format=tar --prefix=quorate/ HEAD | gzip --no-name -9 >$(PACKAGES)/quorate_$(VERSION)_source.tar.gz
	@$(PLAIN) go -C .ci/packages build -o $(CURDIR)/bin/tools/packages .
	@bin/tools/packages -programs bin/packages.work/programs -host $(if $(filter $(HOST),$(PLATFORMS)),$(subst /,_,$(HOST)),../host) -manual bin/packages.work/manual \
		-source $(PACKAGES)/quorate_$(VERSION)_source.tar.gz -out $(PACKAGES) -version '$(VERSION)' -commits "$$(git rev-list --count HEAD)" \
		-revision "$$(git rev-parse HEAD)" -time "$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}"
	@rm -rf bin/packages.work
PACKAGES ?= bin/packages
# What packages hold beside programs, help and completions, the programs of this machine say.
HOST = $(shell go env GOHOSTOS)/$(shell go env GOHOSTARCH)
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

# The older package is of the same source under an older version: what is looked at is what the package managers do with two versions and the data.
.PHONY: packages-test
packages-test: ## Install, use, upgrade, remove and purge the packages in a Debian of their own, build by the formula, run the image where Docker is (root; debootstrap, rpm, ruby)
	@for tool in debootstrap rpm ruby; do command -v $$tool >/dev/null || { apt-get update && apt-get install -y --no-install-recommends debootstrap rpm ruby; }; done
	@$(PLAIN) go -C .ci/packages test .
	@$(MAKE) packages PLATFORMS=$(LINUX) PACKAGES=bin/packages.older VERSION=v0.0.0-0-g0
	@$(MAKE) packages PLATFORMS=$(LINUX)
	@mv bin/packages bin/packages.first
	@$(MAKE) packages PLATFORMS=$(LINUX)
	@diff -r bin/packages.first bin/packages && echo "ok: the second run gave the same bytes" && rm -rf bin/packages.first
	@.ci/packages/test.sh bin/packages bin/packages.older $(CURDIR)/bin/debian
	@ruby .ci/packages/formula_test.rb bin/packages/quorate.rb bin/packages/*_source.tar.gz
	@! docker info >/dev/null 2>&1 || .ci/packages/image_test.sh bin/packages/*_$(LINUX:linux/%=%).oci.tar
LINUX = linux/$(shell go env GOHOSTARCH)

.PHONY: release
release: ## Tag this commit, and make one beside it from which the Go modules can be fetched, with their tags: VERSION=v1.2.3. Nothing is pushed
	@mkdir -p '$(PROXY)'
	@$(ALONE) go -C .ci/release run . -repository $(CURDIR) -version '$(VERSION)' -proxy '$(abspath $(PROXY))'
PROXY ?= bin/release

.PHONY: release-test
release-test: ## Make a release in a clone, install every command from it into an empty module cache, and have a module outside use the test package
	@.ci/release/test.sh v0.1.0

.PHONY: compose-up
compose-up: compose-tool ## Start the stack of docker-compose.yml and wait until it serves on ports 2379 and 22379, for v2 also 4001 and 24001
	@docker image inspect $(IMAGES:%=%:$${QUORATE_VERSION:-latest}) >/dev/null || { echo "Images are missing: make images builds them."; exit 1; }
	@echo "Waiting until eleven containers are healthy, usually half a minute: certificates are made, then come three members, then"
	@echo "lease, watch and API nodes, then the two fronts that clients reach them by."
	$(COMPOSE) up --detach --wait
	@echo
	@echo "Quorate serves on http://localhost:2379 and http://localhost:22379 (all APIs; open it in a browser), for old clients of v2 also"
	@echo "on ports 4001 and 24001. Who knows both goes on when one front is gone. Try:"
	@echo "    etcdctl --endpoints localhost:2379,localhost:22379 put /greeting hello"
	@echo "    curl http://localhost:2379/v2/keys/greeting"
	@echo "make compose-down stops it and deletes all it has stored."

.PHONY: compose-down
compose-down: compose-tool ## Stop the stack and delete all it has stored
	$(COMPOSE) down --volumes --remove-orphans --timeout 15

# Debian's Docker comes without Compose 2, which is built then: once, in two to four minutes.
.PHONY: compose-tool
compose-tool:
	@docker compose version >/dev/null 2>&1 || $(MAKE) bin/tools/docker-compose

bin/tools/docker-compose: .ci/compose/go.mod .ci/compose/go.sum
	@mkdir -p $(@D)
	$(ALONE) CGO_ENABLED=0 go -C .ci/compose build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ github.com/docker/compose/v2/cmd
	@touch $@
COMPOSE ?= $(if $(shell docker compose version 2>/dev/null),docker compose,$(CURDIR)/bin/tools/docker-compose)

.PHONY: compose-test
compose-test: images peers compose-tool ## Run the image alone, use the stack as clients do, break each container in turn and judge (Docker); SEED=1 ONLY='kill lease' SUITES=false
	go -C tests run ./faults/compose -seed '$(SEED)' -only '$(ONLY)' -suites='$(SUITES)' -compose '$(COMPOSE)'
SUITES ?= true

.PHONY: run
run: ## Build and run one member on localhost:2379 with its data in ./data
	@mkdir -p bin
	@[ -e bin/quorate ] || echo "Building quorate. The first build takes about three minutes on two idle cores, later ones seconds."
	$(call COMPILE,services/quorate,bin/,./cmd/quorate)
	@exec bin/quorate --data-dir ./data

.PHONY: test
test: build peers ## Run all tests under the race detector, each module's own and the black-box ones against bin/quorate; tests/style and vet are make lint's; ends with the list of failures
	@rm -f bin/.test.log; failed=0; \
	go test -race -vet=off $(LONGEST:%=./%) $(PRODUCT:%=./%/...) 2>&1 | tee -a bin/.test.log || failed=1; \
	go test -race -vet=off -count=1 -timeout 10m -p 3 $(WAITING:%=./tests/%) $$(go list ./tests/... | grep -v '/tests/style$$') 2>&1 | tee -a bin/.test.log || failed=1; \
	$(PLAIN) go -C deploy/check test -vet=off -count=1 ./... 2>&1 | tee -a bin/.test.log || failed=1; \
	if [ $$failed != 0 ]; then echo; echo "failed:"; grep -E '^ *--- FAIL|^FAIL	|^panic: |build failed' bin/.test.log | sort -u; exit 1; fi
# go test begins them in this order, so that none of them is left to run alone at the end. Black-box tests mostly wait: several do at a time.
LONGEST := services/consensus services/consensus/internal/mvcc services/quorate services/consensus/peer services/lease
WAITING := members/apart members/cluster clients/v2 clients/clientv3 faults/crash members/bootstrap clients/rights

.PHONY: race
race: peers ## Run the black-box tests against a server that is itself built with the race detector
	$(ALONE) go -C services/quorate build -race -o $(CURDIR)/bin/race/ ./cmd/quorate
	QUORATE_TEST_SERVER=$(CURDIR)/bin/race/quorate go test -race -count=1 -timeout 20m ./tests/...

# One after the other, each on all processors. What one finds is written below its testdata/fuzz, and is a seed of make test from then on.
.PHONY: fuzz
fuzz: ## Feed every decoder that bytes from outside reach with what nobody expects, FOR=30s each; ONLY=FuzzSniff
	@failed=; while IFS=: read -r file name; do \
		[ -z '$(ONLY)' ] || [ "$$name" = '$(ONLY)' ] || continue; \
		go test -vet=off -run '^$$' -fuzz "^$$name$$" -fuzztime '$(FOR)' "./$$(dirname $$file)" || failed="$$failed $$name"; \
	done < <(git grep -o '^func Fuzz[A-Za-z0-9]*' -- '*_test.go' | sed 's/:func /:/'); \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

.PHONY: lint
lint: lint-format lint-vet lint-staticcheck lint-proto lint-style lint-generated ## Check format, vet, staticcheck, protos, imports and style; in CI, that generated code is current

.PHONY: lint-format
lint-format: $(TOOLS)
	@unformatted=$$(git ls-files --cached --others --exclude-standard '*.go' | grep -vE '^($(subst $(empty) ,|,$(GENERATED)))/' | xargs -r ls -d 2>/dev/null | xargs -r bin/tools/gofumpt -l); \
	if [ -n "$$unformatted" ]; then echo "gofumpt -w is needed for:"; echo "$$unformatted"; exit 1; fi

.PHONY: lint-vet
lint-vet:
	@for module in $(MODULES); do $(PLAIN) go -C $$module vet ./... || { echo "go vet fails in $$module"; exit 1; }; done

.PHONY: lint-staticcheck
lint-staticcheck: $(TOOLS)
	@for module in $(MODULES); do (cd $$module && $(PLAIN) $(CURDIR)/bin/tools/staticcheck ./...) || { echo "staticcheck fails in $$module"; exit 1; }; done

.PHONY: lint-proto
lint-proto: $(TOOLS) $(PROTOS)
	@bin/tools/buf lint

.PHONY: lint-style
lint-style:
	@$(PLAIN) go -C tests test -vet=off -count=1 ./style

# Outside CI this would overwrite generated files that are being worked on.
.PHONY: lint-generated
lint-generated:
ifneq ($(CI),)
	@$(MAKE) generate
	@changed=$$(git status --porcelain -- $(GENERATED)); \
	if [ -n "$$changed" ]; then echo "make generate changes:"; echo "$$changed"; git diff -- $(GENERATED) | head -50; exit 1; fi
endif

.PHONY: generate
generate: $(TOOLS) $(PROTOS) ## Regenerate pkg/gen and the Connect handlers of etcd's services
	bin/tools/buf generate proto --exclude-path bin/proto
	$(AS_SHIPPED) PATH="$(CURDIR)/bin/tools:$$PATH" go -C services/api generate ./...

# BASE's default is upgrade's alone.
AGAINST := $(filter command environment,$(firstword $(origin BASE)))

.PHONY: bench
bench: build peers bin/peers/benchmark $(if $(AGAINST),bin/base/quorate) ## Measure against etcd in turn; CASES=put,range ROUNDS=1 SCALE=0.1 make it shorter; BASE=a450dee: against that commit
	go -C tests run ./etcd/bench -rounds '$(ROUNDS)' -cases '$(CASES)' -scale '$(SCALE)' $(if $(AGAINST),-base '$(CURDIR)/bin/base' -base-name '$(BASE)')
ROUNDS ?= 3
CASES ?= default
SCALE ?= 1

.PHONY: watch-floor
watch-floor: build ## Measure watch events beside a bare gRPC server that does nothing but send them; FLOOR_EVENTS=10: it sends up to ten in a message
	@mkdir -p bin/floor
	$(PLAIN) go -C tests build -o $(CURDIR)/bin/floor/quorate ./etcd/bench/floor
	go -C tests run ./etcd/bench -rounds '$(ROUNDS)' -cases watch -scale '$(SCALE)' -base '$(CURDIR)/bin/floor' -base-name 'a bare server'

# A snapshot is made once, in half a minute or so, and kept in bin/restore.
.PHONY: restore-bench
restore-bench: build bin/peers/etcdutl ## Restore snapshots by quorateutl and etcdutl in turn, time and peak memory; KEYS=1000000 VALUE=64,256,1000 ORDER=random,sorted ROUNDS=3
	go -C tests run ./etcd/bench/restore -bin '$(CURDIR)/bin' -peers '$(CURDIR)/bin/peers' -snapshots '$(CURDIR)/bin/restore' -rounds '$(ROUNDS)' \
		-keys '$(KEYS)' -value '$(VALUE)' -order '$(ORDER)'
KEYS ?= 1000000
VALUE ?= 64,256,1000
ORDER ?= random

.PHONY: scaling
scaling: build ## Measure what watchers cost, by kind of node, with several watch nodes as processes; NODES=1,2,4 WATCHERS=10000
	go -C tests run ./etcd/bench/scaling -bin '$(CURDIR)/bin' -nodes '$(NODES)' -watchers '$(WATCHERS)'
NODES ?= 1,2,4
WATCHERS ?= 10000

.PHONY: conformance
conformance: build peers bin/newest/etcd ## Run etcd's own suite against bin/quorate, then rights and a minute of differential; RUN=TestKV selects tests, SERVER=bin/peers/etcd another server, VIA=apart members of four programs each, VIA=proxy a proxy in front of each, CTL=ours our command-line tools
	go -C tests run ./etcd/conformance $(if $(filter ours,$(CTL)),-tools '$(CURDIR)/bin') $(if $(filter apart,$(VIA)),-apart '$(CURDIR)/bin',-server '$(abspath $(SERVER))') $(if $(filter proxy,$(VIA)),-proxied '$(CURDIR)/bin/quorate') -run '$(value RUN)'
	$(if $(value RUN)$(VIA)$(CTL)$(filter-out bin/quorate,$(SERVER)),,$(MAKE) rights)
	$(if $(value RUN)$(VIA)$(CTL)$(filter-out bin/quorate,$(SERVER)),,$(MAKE) differential FOR=1m)
VIA ?=
CTL ?=
SERVER ?= bin/quorate
RUN ?=

.PHONY: rights
rights: build peers ## Ask bin/quorate and etcd, on all their wires, for everything that callers with different permissions may do or not
	QUORATE_TEST_FULL=1 go -C tests test -count 1 -v -run 'TestMatrix$$' ./clients/rights
	QUORATE_TEST_FULL=1 QUORATE_TEST_SERVER=bin/peers/etcd go -C tests test -count 1 -v -run 'TestMatrix$$' ./clients/rights

.PHONY: clients
clients: build bin/clients/node_modules ## Run the snippets of docs/clients.md, and have client libraries of Python and Node log in and do what their users do (Debian's packages, npm)
	@dpkg -s python3-etcd3 python3-etcd >/dev/null 2>&1 || { apt-get update && apt-get install -y --no-install-recommends python3-etcd3 python3-etcd; }
	QUORATE_CLIENT_LIBRARIES=$(CURDIR)/bin/clients go -C tests test -count=1 -v ./clients/languages

bin/clients/node_modules: tests/clients/languages/testdata/package.json tests/clients/languages/testdata/package-lock.json
	@command -v npm >/dev/null || { apt-get update && apt-get install -y --no-install-recommends nodejs npm; }
	@mkdir -p $(@D) && cp $^ $(@D)
	npm ci --prefix $(@D) --no-audit --no-fund
	@touch $@

# Kubernetes' API server is large: its first build takes minutes. Custom resources come out of the modules of those whose they are.
.PHONY: kubernetes
kubernetes: build bin/kubernetes/kube-apiserver bin/kubernetes/kubectl ## Have Kubernetes' own API server, with its objects in bin/quorate, say whether it takes the manifests of deploy, and use it as its clients do
	@$(ALONE) go -C .ci/crds mod download
	QUORATE_TEST_KUBERNETES=$(CURDIR)/bin/kubernetes QUORATE_TEST_KUBERNETES_RESOURCES="$$($(ALONE) go -C .ci/crds list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager)/deploy/crds \
		$$($(ALONE) go -C .ci/crds list -m -f '{{.Dir}}' github.com/prometheus-operator/prometheus-operator)/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml" \
		go -C tests test -count=1 -v ./clients/kubernetes

bin/kubernetes/kube-apiserver bin/kubernetes/kubectl: .ci/kubernetes/go.mod .ci/kubernetes/go.sum
	@mkdir -p $(@D)
	$(ALONE) CGO_ENABLED=0 go -C .ci/kubernetes build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ k8s.io/kubernetes/cmd/$(@F)
	@touch $@

.PHONY: differential
differential: build bin/newest/etcd ## Send random requests to bin/quorate and to etcd and compare all answers; SEED=1 FOR=1m TOPOLOGY=one,three,apart EPISODES=1
	go -C tests run ./etcd/differential -server '$(abspath $(SERVER))' -seed '$(SEED)' -duration '$(FOR)' -topology '$(TOPOLOGY)' -episodes '$(EPISODES)'
FOR ?= 1m
TOPOLOGY ?= one,three,apart
EPISODES ?= 0

# Members are swapped to the other build while they are used, of the same source by default.
OTHER ?= $(if $(filter bin/quorate,$(SERVER)),bin/other/quorate)

.PHONY: moving
moving: build peers $(OLDER) ## Migrate directories of etcds of 3.4 to 3.7 that were killed under load, and export a member's to each; compare with what each says itself; put a proxy in front of one with v2
	QUORATE_TEST_ETCDS='$(addprefix $(CURDIR)/,bin/peers/etcd $(OLDER))' go -C tests test -count 1 -v -run 'Migrated|Along|Exported' ./clients/moving
	QUORATE_TEST_ETCDS='$(addprefix $(CURDIR)/,$(OLDER))' go -C tests test -count 1 -v -run 'OldEtcd' ./clients/proxy

.PHONY: chaos
chaos: build peers iproute2 $(filter bin/other/quorate,$(OTHER)) ## Break clusters on test hosts and judge what clients saw (root); SEED=1 DURATION=3m MEMBERS=3,5tls ONLY=kill SERVER=... OTHER=...
	go -C tests run ./faults/chaos -server '$(SERVER)' -other '$(OTHER)' -members '$(MEMBERS)' -seed '$(SEED)' -duration '$(DURATION)' -only '$(ONLY)'
MEMBERS ?= 3,5tls,7
SEED ?= 0
DURATION ?= 3m
ONLY ?=

.PHONY: bin/other/quorate
bin/other/quorate:
	@mkdir -p $(@D)
	$(call COMPILE,services/quorate,$@,./cmd/quorate)
bin/other/quorate: VERSION := other

.PHONY: soak
soak: build ## Use a cluster for FOR=30m as a mixture of clients does that come and go, and hold that it has then what it had in the beginning
	QUORATE_TEST_SOAK='$(FOR)' go -C tests test -count=1 -v -timeout 0 ./faults/soak

.PHONY: upgrade
upgrade: build bin/base/quorate ## Replace the members of a cluster of BASE, a commit, by bin/quorate while it is used, and have a new one join it; BASE=a450dee
	QUORATE_OLD_SERVER=$(CURDIR)/bin/base/quorate QUORATE_TEST_SERVER=$(CURDIR)/bin/quorate go -C tests test -count=1 -v ./faults/upgrade
BASE ?= a450dee

# The commit's own source, out of the history, built as its own make build does it.
.PHONY: bin/base/quorate
bin/base/quorate:
	@rm -rf $(@D) && mkdir -p $(@D)/source
	@git archive '$(BASE)' | tar -x -C $(@D)/source
	env -u MAKEFLAGS -u MAKELEVEL $(MAKE) -C $(@D)/source build
	@mv $(@D)/source/bin/quorate* $(@D)/
	@rm -rf $(@D)/source

.PHONY: alerts
alerts: build bin/tools/jsonnet prometheus ## Have Prometheus load the alerts of etcd's mixin and ours against a healthy, a degraded and a dead cluster, and ask the mixin's dashboards (Debian's package)
	promtool test rules deploy/check/testdata/rules_test.yml
	go -C tests run ./faults/alerts -jsonnet '$(CURDIR)/bin/tools/jsonnet' -mixin "$$($(ALONE) go -C tests list -m -f '{{.Dir}}' go.etcd.io/etcd/v3)/contrib/mixin"

.PHONY: evening
evening: build bin/other/quorate prometheus ## Go through an operator's bad evening, told as it goes, and judge which alerts fired and that no write is lost (root; Debian's package)
	go -C tests run ./faults/evening

bin/tools/jsonnet: .ci/mixin/go.mod .ci/mixin/go.sum
	@mkdir -p $(@D)
	$(ALONE) CGO_ENABLED=0 go -C .ci/mixin build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ github.com/google/go-jsonnet/cmd/jsonnet
	@touch $@

.PHONY: prometheus
prometheus:
	@command -v promtool >/dev/null || { apt-get update && apt-get install -y --no-install-recommends prometheus; }

.PHONY: failover
failover: build peers iproute2 ## Measure the time without a successful write when the leader is lost, beside etcd's (root); LOSSES=5
	go -C tests run ./faults/chaos -server bin/quorate,bin/peers/etcd -failover '$(LOSSES)'
LOSSES ?= 5

.PHONY: iproute2
iproute2:
	@command -v ip >/dev/null || { apt-get update && apt-get install -y --no-install-recommends iproute2; }

.PHONY: tools
tools: $(TOOLS)

# A stamp, because go build leaves binaries alone that are current already.
$(TOOLS): .ci/tools/go.mod .ci/tools/go.sum
	@mkdir -p $(@D)
	$(PLAIN) go -C .ci/tools build -ldflags '-s -w' -o $(CURDIR)/bin/tools/ tool
	@touch $@

.PHONY: peers
peers: $(PEERS)

# tests/go.mod pins them; go build decides whether a change of it concerns them.
bin/peers/etcd: PEER := go.etcd.io/etcd/server/v3
bin/peers/etcdctl: PEER := go.etcd.io/etcd/etcdctl/v3
bin/peers/etcdutl: PEER := go.etcd.io/etcd/etcdutl/v3
bin/peers/benchmark: PEER := go.etcd.io/etcd/v3/tools/benchmark
$(PEERS) bin/peers/benchmark: tests/go.mod
	$(ALONE) CGO_ENABLED=0 go -C tests build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ $(PEER)
	@touch $@

# The etcd that the differential run compares with has a go.mod of its own: the newest, where the suites stay at one version.
bin/newest/etcd: .ci/etcd/go.mod .ci/etcd/go.sum
	@mkdir -p $(@D)
	$(ALONE) CGO_ENABLED=0 go -C .ci/etcd build -trimpath -o $(CURDIR)/$@ go.etcd.io/etcd/server/v3
	@touch $@

# Older etcds have a go.mod each, too: their dependencies are of their time.
bin/older/etcd34: OLD := go.etcd.io/etcd
bin/older/etcd35 bin/older/etcd36: OLD := go.etcd.io/etcd/server/v3
$(OLDER): bin/older/%: .ci/%/go.mod .ci/%/go.sum
	@mkdir -p $(@D)
	$(ALONE) CGO_ENABLED=0 go -C .ci/$* build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ $(OLD)
	@touch $@

# protovalidate's own file comes out of its Go module: no schema registry is needed to build.
bin/proto/buf/validate/validate.proto: .ci/tools/go.mod
	@mkdir -p $(@D)
	@$(ALONE) go -C .ci/tools mod download github.com/bufbuild/protovalidate
	@install -m 644 "$$($(ALONE) go -C .ci/tools list -m -f '{{.Dir}}' github.com/bufbuild/protovalidate)/proto/protovalidate/buf/validate/validate.proto" $@

# etcd's key-values too, under the path by which etcd's Go package registers the file.
bin/proto/kv.proto: pkg/go.mod
	@mkdir -p $(@D)
	@$(ALONE) go -C pkg mod download go.etcd.io/etcd/api/v3
	@install -m 644 "$$($(ALONE) go -C pkg list -m -f '{{.Dir}}' go.etcd.io/etcd/api/v3)/mvccpb/kv.proto" $@

# Debian's chromium and what npm has in the lock file; no browser is downloaded. Its screenshots are in bin/console-shots.
.PHONY: console-test
console-test: build services/console/web/node_modules/.package-lock.json ## Drive the console in Debian's chromium through all its flows, a million keys among them, and hold that the committed files are what the sources give; ONLY=keys
	@command -v chromium >/dev/null || { apt-get update && apt-get install -y --no-install-recommends chromium; }
	npm --prefix services/console/web test
	cd services/console/web && node --test --test-concurrency=1 e2e/$(or $(ONLY),*).test.mjs

# On a machine that does nothing else; half a minute a pair of stretches.
.PHONY: console-cost
console-cost: build ## Show what twenty open consoles, one of them in Debian's chromium, cost puts at 5,000/s of the server's processors: 3 % at most; PAIRS=12
	QUORATE_TEST_COST=$(or $(PAIRS),12) go -C tests test -vet=off -count=1 -run TestCostOfTwentyPages -v ./clients/console

.PHONY: console
console: services/console/web/node_modules/.package-lock.json ## Build the files of the console that are committed, out of its sources (npm)
	npm --prefix services/console/web run build

services/console/web/node_modules/.package-lock.json: services/console/web/package.json services/console/web/package-lock.json
	@command -v npm >/dev/null || { apt-get update && apt-get install -y --no-install-recommends nodejs npm; }
	npm ci --prefix $(<D) --no-audit --no-fund
	@touch $@

.PHONY: clean
clean: ## Delete what was built
	rm -rf bin
