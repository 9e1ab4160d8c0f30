# Needs Python 3.11 or newer and nothing else: each target makes .venv and installs what it needs, once.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Our own package is installed without dependencies and without build isolation: all it needs, setuptools
# included, is in the lock files with its hash.
SELF := --no-deps --no-build-isolation --editable .
LOCK := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --build-deps-for editable --extra compression

.DEFAULT_GOAL := help
.PHONY: help run test lint bench crash lock clean

help: ## Print this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: .make/run ## Serve in dev mode on tidings.db, with a little real data to look at
	$(BIN)/tidings serve --dev --sample

test: lint ## All that a change must pass: style, types, import contracts, tests
	$(BIN)/python -m pytest

lint: .make/dev ## Style, types and import contracts alone
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: .make/dev ## Measure, beside the ceilings of this machine
	$(BIN)/python -m bench

crash: .make/dev ## Kill the server, cut its power, stop it at every statement; look for anything lost or doubled
	CRASH=all $(BIN)/python -m pytest tests/crash

lock: .make/dev ## Renew the lock files after a change of dependencies in pyproject.toml
	$(LOCK) --upgrade --output-file requirements.lock pyproject.toml
	$(LOCK) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean: ## Remove what was made: the environment and all caches, not your data
	rm -rf .venv .make .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist src/*.egg-info

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
