# make run: install what is missing, build, collect. make test: the same and every test. make help lists the rest.
SHELL := /bin/bash
TARGET := $(shell rustc -vV | sed -n 's/^host: //p')
BINARY := $(or $(CARGO_TARGET_DIR),target)/$(TARGET)/release/gadgetry
STATIC := RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target $(TARGET)
BENCH := RUSTFLAGS="-C target-feature=+crt-static" cargo bench --locked --target $(TARGET)
CONFIG ?= config/collector.yaml
export GADGETRY_DATA ?= $(CURDIR)/run

.PHONY: help run build test check bench tools test-tools

help:            ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

run: build       ## build and collect with config/collector.yaml (Ctrl-C drains and prints the ledger)
	@mkdir -p "$(GADGETRY_DATA)"
	@$(BINARY) collect -c $(CONFIG)

build: tools     ## the release: one static binary
	@$(STATIC)
	@tests/support/release-check.sh $(BINARY)

test: test-tools build ## every test, on the real kernel, with real components
	@tests/support/run.sh $(BINARY)

check: tools     ## formatting and lints
	@cargo fmt --check
	@cargo clippy --locked --all-targets -- -D warnings

bench: tools     ## the benchmarks (never part of the tests)
	@$(BENCH) --bench hot_path
	@$(BENCH) --bench load
	@$(BENCH) --bench images
	@$(BENCH) --bench containers
	@$(BENCH) --bench starts
	@$(BENCH) --bench endpoints

tools:           # what a build needs
	@tests/support/install.sh build

test-tools:      # what the tests need besides
	@tests/support/install.sh test
