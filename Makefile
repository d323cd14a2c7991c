# Everything happens in .venv, which the first command makes: with uv where it is installed, else with pip.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(USABLE)' 2>/dev/null && { echo $$p; break; }; done)
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
DEMO := demo
JOBS ?= 2

.PHONY: help demo test lint bench docs clean

help: ## Show this list.
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 16

demo: .venv/.demo ## Run one project's whole story on real data, and write its audit report.
	@rm -rf $(DEMO)
	@$(BIN)/crisplens demo --directory $(DEMO)

test: .venv/.dev ## Run every test (those in a browser where Chromium is installed).
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: .venv/.dev ## Run the static checks: ruff, mypy, import-linter, and documents against the code.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

docs: .venv/.dev ## Write the documents that are generated from the code.
	$(BIN)/python docs/generate.py

bench: .venv/.dev ## Measure start-up, recording and drift checks beside others, as ratios.
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/recording_peers.py
	$(BIN)/python benchmarks/ledger.py
	$(BIN)/python benchmarks/gates.py
	$(BIN)/python benchmarks/drift_check.py
	$(BIN)/python benchmarks/drift_accuracy.py --pairs 6
	$(BIN)/python benchmarks/drift_engines.py --peers
	$(BIN)/python benchmarks/false_alarms.py
	$(BIN)/python benchmarks/moving_references.py
	$(BIN)/python benchmarks/estimated_performance.py
	$(BIN)/python benchmarks/due_monitors.py --monitors 200
	$(BIN)/python benchmarks/report_size.py

clean: ## Remove what the other commands made.
	rm -rf .venv $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# $(call install,WHAT): install WHAT into .venv, made first if it is not there.
define install
	@test -x $(BIN)/python || { \
	  if [ -n "$(UV)" ]; then $(UV) venv --quiet --seed $(if $(PYTHON),--python $(PYTHON)) .venv; \
	  elif [ -n "$(PYTHON)" ]; then $(PYTHON) -m venv .venv; \
	  else echo "crisplens needs Python 3.11 or newer with the venv module, or uv." >&2; exit 1; fi; }
	@echo "Installing $(1) into .venv"
	@if [ -n "$(UV)" ]; then VIRTUAL_ENV=.venv $(UV) pip install --quiet $(1); \
	else $(BIN)/python -m pip install -qq --disable-pip-version-check --upgrade 'pip>=25.1' \
	  && $(BIN)/python -m pip install -qq --disable-pip-version-check $(1); fi
endef

.venv/.demo: pyproject.toml
	$(call install,-e '.[demo]')
	@touch $@

.venv/.dev: pyproject.toml
	$(call install,-e '.[all]' --group dev)
	@touch $@ .venv/.demo
