# Needs Python 3.11 or newer and nothing else: each target makes .venv and installs what it needs, once.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Our own package is installed without dependencies and without build isolation: all it needs, setuptools
# included, is in the lock files with its hash.
SELF := --no-deps --no-build-isolation --editable .
LOCK := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --build-deps-for editable --extra compression

# Tests drive a browser. Where none is, and where we may, Debian's is installed.
BROWSER = $(or $(CHROMIUM),$(shell for name in chromium chromium-browser google-chrome; do command -v $$name && break; done))

# Processes that run tests: one more than cores, see tests/conftest.py.
WORKERS ?= auto

# Container images often set it. Each server that a test starts would then compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test suite check units lint web packages webtests bench attack crash nginx simulate soak lock clean

help: ## Print this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: .make/run ## Serve in dev mode on tidings.db, with a little real data to look at; TIDINGS_PORT=… on another port
	$(BIN)/tidings serve --dev --sample

test: .make/node .make/chromium packages ## All that a change must pass: style, types, import contracts, and beside them tests; WORKERS=… at once
	@$(MAKE) --no-print-directory --jobs lint suite webtests

suite: .make/dev # a target of its own, so that it can run beside another
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

check: .make/dev ## For the time between commits: lint, and beside it the unit and conformance tests
	@$(MAKE) --no-print-directory --jobs lint units

units: .make/dev # for the same reason
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal tests/unit tests/conformance tests/test_layout.py

lint: .make/dev ## Style, types and import contracts alone
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

web: packages ## Build the packages for browsers, in web/packages, and the demo in src/tidings/http/static/demo, to be committed
	npm run --prefix web --silent demo

packages: .make/web # types come from the schemas of the server; the demo is apart, so that tests can compare the committed one
	$(BIN)/python -m docs.openapi .make/openapi.json
	npm run --prefix web --silent types
	npm run --prefix web --silent build

webtests: packages # for the same reason
	npm run --prefix web --silent check
	npm test --prefix web --silent

bench: .make/dev ## Measure, beside the ceilings of this machine
	$(BIN)/python -m bench

attack: .make/dev ## Attack the server in every way we know, at length; look for memory and loop stalls beyond their bounds
	ATTACK=all $(BIN)/python -m pytest tests/attack tests/wire/test_bad_input.py tests/unit/storage/test_live_audience.py

crash: .make/dev ## Kill the server, cut its power, stop it at every statement; look for anything lost or doubled
	CRASH=all $(BIN)/python -m pytest tests/crash

nginx: .make/dev ## Restart the server behind nginx (which must be installed) as the guide configures it
	BEHIND_NGINX=1 $(BIN)/python -m pytest tests/nginx

soak: .make/dev ## Let sixty-four write and read at once for a minute, cut 2,000 connections; look for a wrong count, for gaps
	SOAK=1 $(BIN)/python -m pytest tests/wire/test_concurrent.py tests/client/test_cuts.py

simulate: .make/dev ## Live through 10,000 seeds of crashes, lost hints, 100,000 disconnects and more; SEEDS=… as many
	$(BIN)/python -m tests.simulation

lock: .make/dev ## Renew the lock files after a change of dependencies in pyproject.toml
	$(LOCK) --upgrade --output-file requirements.lock pyproject.toml
	$(LOCK) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean: ## Remove what was made: the environment and all caches, not your data
	rm -rf .venv .make .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist src/*.egg-info tests/clients/node/node_modules web/node_modules web/packages/*/dist web/packages/*/*.tsbuildinfo

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tidings needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv

.make/run: requirements.lock pyproject.toml | .venv/bin/python
	$(PIP) --require-hashes --requirement requirements.lock
	$(PIP) $(SELF)
	@mkdir -p .make && touch $@

.make/dev: requirements-dev.lock pyproject.toml | .venv/bin/python
	$(PIP) --require-hashes --requirement requirements-dev.lock
	$(PIP) $(SELF)
	@mkdir -p .make && touch $@

.make/node: tests/clients/node/package.json tests/clients/node/package-lock.json
	@command -v npm > /dev/null || { echo "The tests need Node.js 20 or newer with npm, for a client of theirs." >&2; exit 1; }
	npm ci --prefix tests/clients/node --silent
	@mkdir -p .make && touch $@

.make/web: web/package.json web/package-lock.json .make/dev
	npm ci --prefix web --silent
	@mkdir -p .make && touch $@

.make/chromium:
ifeq ($(BROWSER),)
	@command -v apt-get > /dev/null && test "$$(id -u)" = 0 || { echo "The tests need Chromium: install it, or put its path into CHROMIUM." >&2; exit 1; }
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium > /dev/null
endif
	@mkdir -p .make && touch $@
