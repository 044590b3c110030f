# Every command of the project. `make test` and `make demo` need Python 3.11 or newer with its venv
# module, make and the package index; they make their own environment in .venv.
#
# Paths are relative, because make cannot quote a space in a target and the checkout may lie in
# a folder that has one.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
PYTEST_ARGS ?=
CLUSTER_ARGS ?=
IMAGE_ARGS ?=
UPGRADE ?=

VENV := .venv
BIN := $(VENV)/bin

# The environment belongs to one set of pins, one folder (its scripts hold absolute paths) and,
# where somebody asks for one, one interpreter. A stamp named after these is written last, so an
# environment without its stamp is half done or out of date and is made anew.
ifneq ($(filter undefined file,$(origin PYTHON)),)
ASKED :=
else
ASKED := $(PYTHON)
endif
ENV_KEY := $(shell { pwd -P; echo '$(ASKED)'; cat requirements/dev.txt; } | cksum | tr ' ' '-')
PROJECT_KEY := $(shell { echo '$(ENV_KEY)'; cat pyproject.toml dra_config/version.py; } | cksum | tr ' ' '-')
ENV_STAMP := $(VENV)/.environment-$(ENV_KEY)
PROJECT_STAMP := $(VENV)/.project-$(PROJECT_KEY)

# An interpreter that was upgraded or removed leaves an environment whose python does not start.
ifneq ($(wildcard $(ENV_STAMP)),)
ifneq ($(shell $(BIN)/python -c 'print("ok")' 2>/dev/null),ok)
$(shell rm -f $(ENV_STAMP))
endif
endif

# A shell may be set up for another environment; a user-wide pip setting may forbid this one.
unexport PYTHONHOME
unexport PYTHONPATH
unexport VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_USER := 0
# The type checker is pinned; it need not ask the index for a newer one at each run.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help setup demo test check types imports generated house generate format lock bench cluster images release test-deep clean

help: ## list the commands (this list)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(PROJECT_STAMP) ## make or renew the environment in .venv; every other command does so by itself

demo: setup ## start the webhook, send it claims, show its answers, clean up
	@$(BIN)/python -m tools.demo

# A process for each core; tests that share a cluster, or lie in one file, share a process.
PYTEST = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup

test: check ## check, and then every test but the long ones
	@$(BIN)/python -m tests.cluster build --where-possible
	$(PYTEST) $(PYTEST_ARGS)

check: setup ## format, lint, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory types imports generated

types: setup
	$(BIN)/mypy
	$(BIN)/pyright

imports: setup
	$(BIN)/lint-imports --no-cache --no-logo

generated: setup
	$(BIN)/python -m tools.generate --check

house: setup
	$(BIN)/python -m pytest -q tests/test_house_rules.py

generate: setup ## write schemas, CRDs and reference tables anew
	$(BIN)/python -m tools.generate

format: setup ## format and fix what can be fixed by a tool
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# The files name no index address, and their hashes hold whichever index serves them.
COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-emit-index-url \
	--no-header --python-version 3.11 $(UPGRADE)

lock: setup ## pin the requirements anew (UPGRADE=--upgrade: to their newest versions)
	$(COMPILE) --output-file requirements/runtime.txt
	$(COMPILE) --extra webhook --constraint requirements/runtime.txt --output-file requirements/webhook.txt
	$(COMPILE) --extra plugin --constraint requirements/webhook.txt --output-file requirements/plugin.txt
	$(COMPILE) --extra webhook --extra plugin --group dev --constraint requirements/webhook.txt --constraint requirements/plugin.txt --output-file requirements/dev.txt

bench: setup ## measure library, webhook, command line and plugin
	@$(BIN)/python -m benchmarks

cluster: setup ## compile the programs of the test cluster (a quarter of an hour, once)
	@$(BIN)/python -m tests.cluster build $(CLUSTER_ARGS)

images: setup ## build the services' container images, without a registry
	@$(BIN)/python -m tools.images build $(IMAGE_ARGS)

release: setup ## build wheel, sdist, bill of materials and checksums in dist/
	@$(BIN)/python -m tools.release

test-deep: setup ## every test, with the deep hypothesis profile
	HYPOTHESIS_PROFILE=deep $(PYTEST) -m "" $(PYTEST_ARGS)

clean: ## remove the environment and everything that tools leave behind
	rm -rf $(VENV) build dist .hypothesis .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(ENV_STAMP):
	@set -eu; \
	python=''; \
	for candidate in '$(PYTHON)' $(if $(ASKED),,python3.14 python3.13 python3.12 python3.11); do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        python=$$candidate; break; \
	    fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "dra-config needs Python 3.11 or newer, and '$(PYTHON)' is not one:" \
	        "$$('$(PYTHON)' --version 2>&1 | head -n 1)." >&2; \
	    echo "On Debian or Ubuntu: apt-get install python3 python3-venv. Another one: make PYTHON=/path/to/python" >&2; \
	    exit 1; \
	fi; \
	version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "Python $$version has no venv module. On Debian or Ubuntu: apt-get install python$$version-venv" >&2; \
	    exit 1; \
	fi; \
	echo "Making $(VENV) with Python $$version (about a minute the first time) ..."; \
	rm -f $(VENV)/.environment-* $(VENV)/.project-*; \
	rm -rf $(VENV); \
	"$$python" -m venv $(VENV); \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    echo "Python $$version has no pip module. On Debian or Ubuntu: apt-get install python3-pip python$$version-venv" >&2; \
	    exit 1; \
	fi; \
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt; \
	touch $@

$(PROJECT_STAMP): $(ENV_STAMP)
	@set -eu; \
	rm -f $(VENV)/.project-*; \
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	touch $@
