# `make` says what there is. Every target gets first what it needs and this machine lacks.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup build dist plugins run test docs conformance fuzz bench clean

help: ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## get what is missing: a C compiler, the wasm target
	@scripts/setup

build: setup plugins ## what ships: target/release/lockgate, optimised, and target/plugins/NAME.wasm
	@scripts/build-release

# make dist PROFILE=fast: with the binary of the tests, to try the packaging.
dist: setup ## what is installed without cargo, to target/dist: a tarball, a .deb, a container's folder
	@scripts/dist $(PROFILE)

plugins: setup ## target/plugins/NAME.wasm alone
	@scripts/build-plugins

run: setup ## serve examples/quickstart and print requests to try
	@scripts/build-gateway
	@scripts/build-plugins plugins/*/
	@examples/quickstart/run

test: setup ## everything that CI runs: format, lints, unit and end-to-end tests
	@scripts/test

docs: setup plugins ## write docs/configuration.md, docs/metrics.md and docs/admin-api.md anew, from the code
	@scripts/build-gateway
	@RECORD=1 cargo test --profile fast --workspace --test documented

conformance: setup ## run every conformance case here and in Envoy, and write docs/conformance.md anew
	@scripts/build-guests
	@scripts/build-gateway
	@RECORD=1 cargo test --profile fast --workspace --test conformance

# make fuzz SECONDS=3600 SEED=7
fuzz: setup ## arbitrary bytes at the codecs, every host call and the loader of modules
	@scripts/fuzz $(or $(SECONDS),60) $(SEED)

# make bench ROUNDS=3 ROWS=plain,idle: fewer rounds, or only some rows of the table.
bench: build ## compare cost per request with nginx, HAProxy and Envoy; writes target/bench/table.md
	@scripts/setup-bench
	@scripts/wasm-build target/bench/guests tests/bench/guests/*/ tests/guests/hook tests/guests/hook-sdk tests/guests/hook-async
	@python3 tests/bench $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ROWS),--rows $(ROWS))

clean: ## remove all that was built
	@cargo clean
