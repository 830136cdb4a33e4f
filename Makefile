# Everything that is done to this repository is done by a target of this file, here and in CI. "make" lists them.
# Needed: Go 1.26 or later and make. For make test a C compiler (the race detector), and what the emulated parts of AWS run on: Node.js with npm,
# Java 17 with Maven, Python 3.10 with venv. What is missing is named, with how to get it; the rest is fetched into .cache.

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
TOOL = $(GO) tool -modfile=tools/go.mod
ARGS ?=
TESTFLAGS ?=
RACE ?= -race
COUNT ?= 6
FUZZTIME ?= 60s
OSSEC_RULESET ?=
ORACLE ?=
WAZUH_RULESET ?=
RULES ?=
DEPLOYFLAGS ?=
BUCKET ?=

# What reads template.yaml. The versions are pinned: a later one may find fault with what was right.
SAM_TOOLS = .cache/sam-1.170.0-cfn-lint-1.58.0
SAM = SAM_CLI_TELEMETRY=0 $(SAM_TOOLS)/bin/sam
LAMBDA_GOFLAGS = -tags=lambda.norpc -trimpath -buildvcs=false -ldflags=-s

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list.
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: need-go ## Build bin/yagura.
	$(GO) build -buildvcs=false -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/yagura ./cmd/yagura

.PHONY: run
run: build ## Build, then watch this machine's own logs until Ctrl-C. More flags: make run ARGS='--data DIR'.
	bin/yagura local $(ARGS)

.PHONY: test
test: need-race need-systemd rules-test aws-parts sam-tools ## Test everything, with the race detector. One package: make test TESTFLAGS='-run X' PKG=./internal/rule
	$(GO) test $(RACE) -timeout 20m $(TESTFLAGS) $(or $(PKG),./...)

.PHONY: test-wine
test-wine: need-go ## Test the integrity check on Windows's files and registry, under Wine. What is missing is named.
	tools/wine/test ./agent/syscheck -test.skip 'Shortest|Pending|Audit|RunOnSchedule|MemoryPressure|LiveAndScan' # about Unix and its clocks; the last one takes minutes

.PHONY: test-rpm
test-rpm: need-go ## Test the agent's links to packages with rpm itself, which must be installed (Debian, Ubuntu: apt install rpm).
	@command -v rpmbuild >/dev/null || { echo "rpm is not installed. Debian, Ubuntu: apt install rpm    Amazon Linux, Fedora: dnf install rpm-build"; exit 1; }
	$(GO) test -count=1 -run 'TestRPM$$' -v ./agent/packages -args -rpm

.PHONY: aws-parts
aws-parts: need-go ## Install what emulates AWS (kinesalite, DynamoDB Local, dynalite, moto) into .cache, from npm, Maven and PyPI.
	@$(GO) run ./internal/emulated/install .cache/aws

.PHONY: rules-test
rules-test: build ## Run the cases of the built-in rules (rules/tests/*.ini).
	bin/yagura rules test

.PHONY: lint
lint: need-go ## Check format and code; each check has its reason in .golangci.yml.
	$(TOOL) golangci-lint run ./...

.PHONY: bench
bench: need-go ## Run the benchmarks COUNT times, into .cache/bench.txt; OLD=earlier.txt compares; OSSEC_RULESET and ORACLE add OSSEC's rules.
	OSSEC_RULESET="$(abspath $(OSSEC_RULESET))" ORACLE="$(abspath $(ORACLE))" $(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) $(or $(PKG),./...) | tee .cache/bench.txt
	@! grep -q '^FAIL' .cache/bench.txt
	$(TOOL) benchstat $(OLD) .cache/bench.txt

.PHONY: fuzz
fuzz: need-go ## Fuzz each parser of outside bytes for FUZZTIME (60s).
	@$(GO) test -list '^Fuzz' $(or $(PKG),./...) >.cache/fuzz.txt || { cat .cache/fuzz.txt; exit 1; }
	@awk '/^Fuzz/ { f[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, f[i]; n = 0 }' .cache/fuzz.txt | { \
		n=0; while read -r pkg name; do n=$$((n + 1)); echo "$$pkg $$name"; \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x "$$pkg" </dev/null || exit 1; done; \
		[ $$n -gt 0 ] || { echo "make fuzz: there is no fuzz target"; exit 1; }; }

.PHONY: conformance
conformance: need-go ## Compare with OSSEC's recorded verdicts: make conformance OSSEC_RULESET=DIR ORACLE=DIR
	@[ -d "$(OSSEC_RULESET)" ] && [ -d "$(ORACLE)" ] || { \
		echo "make conformance: OSSEC_RULESET names a folder with OSSEC's rules, ORACLE one with recordings (*.jsonl); see docs/compatibility.md"; exit 1; }
	OSSEC_RULESET="$(abspath $(OSSEC_RULESET))" ORACLE="$(abspath $(ORACLE))" $(GO) test -count=1 -run '^TestOSSEC' ./internal/predecode
	@OSSEC_RULESET="$(abspath $(OSSEC_RULESET))" ORACLE="$(abspath $(ORACLE))" $(GO) test -count=1 -v -run '^TestOSSEC' ./internal/conformance

.PHONY: conformance-wazuh
conformance-wazuh: need-go ## Run Wazuh's own test cases on its rules: make conformance-wazuh WAZUH_RULESET=DIR
	@[ -d "$(WAZUH_RULESET)/tools/rules-testing" ] || [ -d "$(WAZUH_RULESET)/ruleset/testing" ] || { \
		echo "make conformance-wazuh: WAZUH_RULESET names a checkout of wazuh-ruleset, or of wazuh 4.3 or later"; exit 1; }
	WAZUH_RULESET="$(abspath $(WAZUH_RULESET))" $(GO) test -count=1 -v -run '^TestWazuh' ./internal/conformance

.PHONY: sam-tools
sam-tools: $(SAM_TOOLS)/done ## Install what reads template.yaml (aws-sam-cli, cfn-lint) into .cache, from PyPI.

$(SAM_TOOLS)/done:
	@command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: aws-sam-cli needs Python 3.10 or later with venv. Install it:"; \
		echo "  Debian, Ubuntu: apt install python3-venv    Amazon Linux, Fedora: dnf install python3    Alpine: apk add python3"; exit 1; }
	rm -rf $(SAM_TOOLS)
	python3 -m venv $(SAM_TOOLS)
	$(SAM_TOOLS)/bin/pip install --quiet --disable-pip-version-check aws-sam-cli==1.170.0 cfn-lint==1.58.0 || { \
		echo "make: pip can't install aws-sam-cli; does it reach pypi.org? Behind a proxy or a mirror, set HTTPS_PROXY or PIP_INDEX_URL"; exit 1; }
	@touch $@

.PHONY: sam-build
sam-build: need-go sam-tools
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 GOFLAGS='$(LAMBDA_GOFLAGS)' $(GO) build -o /dev/null ./functions/... # sam hides what the compiler says
	CGO_ENABLED=0 GOFLAGS='$(LAMBDA_GOFLAGS)' $(SAM) build

.PHONY: sam-transform
sam-transform: sam-tools # what CloudFormation will see, for internal/template's tests
	@$(SAM_TOOLS)/bin/python internal/template/transform.py template.yaml

.PHONY: validate
validate: sam-build ## Check template.yaml (sam validate --lint, cfn-lint) and build the functions. Needs no account and no Docker.
	$(SAM) validate --lint --region us-east-1
	$(SAM_TOOLS)/bin/cfn-lint template.yaml

.PHONY: check-rules
check-rules: build # before the long part
	bin/yagura rules check $(if $(RULES),"$(abspath $(RULES))")

.PHONY: deploy
deploy: check-rules sam-build ## Deploy to AWS; asks for all settings the first time. Rules of your own: make deploy RULES=DIR; more: DEPLOYFLAGS='--guided'
	$(if $(RULES),cp -RL "$(abspath $(RULES))" .aws-sam/build/AnalyzeFunction/rules)
	$(SAM) deploy $(if $(shell grep '^region' samconfig.toml),,--guided) $(DEPLOYFLAGS)

.PHONY: destroy
destroy: sam-tools ## Delete the stack from AWS, after asking. Alerts and failed records stay.
	@echo "This deletes the stack: stream, functions, topic, state. Events that were not yet analysed are lost."; \
	echo "Alerts, the fleet's table and the failure bucket stay; docs/operations.md tells how to delete them, too."
	$(SAM) delete $(DEPLOYFLAGS)

.PHONY: packages
packages: need-go ## Build the packages of agent and relay (deb, rpm, the agent's zip for Windows) and SHA256SUMS into dist/.
	$(GO) run ./packaging/build "$(VERSION)" dist

.PHONY: packages-test
packages-test: packages ## Try the packages in clean systems, booted for it: install, upgrade, remove, purge. As root, with debootstrap and systemd-nspawn.
	$(GO) run ./packaging/build v0.0.0 .cache/packages-older # older than what has no tag, too
	packaging/test.sh dist .cache/packages-older

.PHONY: publish-agent
publish-agent: need-bucket packages ## Upload the packages, which the template's SSM document and relays install: make publish-agent BUCKET=NAME
	$(GO) run ./packaging/publish "$(BUCKET)" dist

.PHONY: need-bucket
need-bucket: # before the long part
	@[ -n "$(BUCKET)" ] || { echo "make publish-agent: name a bucket of yours: make publish-agent BUCKET=NAME. aws s3 mb s3://NAME makes one"; exit 1; }

.PHONY: clean
clean: ## Delete what was built. Alerts and state of a running Yagura are elsewhere, and stay.
	rm -rf bin dist .cache .aws-sam coverage.out

# What a fresh machine may lack is named before anything else fails because of it.
.PHONY: need-go need-race need-systemd
need-go:
	@command -v $(GO) >/dev/null || { echo "make: Go is not installed. Yagura needs Go 1.26 or later: https://go.dev/doc/install"; exit 1; }
	@v=$$($(GO) env GOVERSION); case "$$v" in \
		*go1.2[6-9]*|*go1.[3-9][0-9]*|*go[2-9]*) mkdir -p .cache ;; \
		*) echo "make: Yagura needs Go 1.26 or later, this is $$v: https://go.dev/doc/install"; exit 1 ;; esac

need-race: need-go
	@[ -z "$(RACE)" ] || { [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v $$($(GO) env CC) >/dev/null; } || { \
		echo "make: the race detector needs a C compiler and CGO_ENABLED=1. Install one:"; \
		echo "  Debian, Ubuntu: apt install gcc libc6-dev    Amazon Linux, Fedora: dnf install gcc    Alpine: apk add gcc musl-dev"; \
		echo "or test without it: make test RACE="; exit 1; }

need-systemd:
	@command -v systemd-analyze >/dev/null || { \
		echo "make: systemd-analyze, which judges the units, is not installed. It need not run. Install it:"; \
		echo "  Debian, Ubuntu: apt install systemd    Amazon Linux, Fedora: dnf install systemd"; exit 1; }
