# `make` alone explains the targets. Variables: PYTHON (3.11 to 3.13), VENV, PENSTOCK_PORT, PENSTOCK_VAR.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell sh deploy/provision/python.sh)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps --use-pep517 --require-hashes
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)
TESTS := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope
RUN_TIME_STAMP := $(VENV)/.installed-all
DEMO_STAMP := $(VENV)/.installed-demo
DEV_STAMP := $(VENV)/.installed-dev

##@ Try it

.PHONY: help
help: ## Explain every target
	@awk -v bold="$$(test -t 1 && printf '\033[1m')" -v plain="$$(test -t 1 && printf '\033[0m')" \
		'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s%s%s\n", bold, substr($$0, 5), plain} \
		/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST)); echo

.PHONY: demo
demo: $(DEMO_STAMP) ## Do the main job once on real public data (336,776 flights) and check the result
	@$(BIN)/python -m deploy.demo

.PHONY: run
run: $(RUN_TIME_STAMP) ## Run all of Penstock as one process in this terminal; data lies in var/
	@exec $(BIN)/python -m services

##@ Work on it

.PHONY: setup
setup: $(DEV_STAMP) ## Make .venv with everything needed to work on Penstock

.PHONY: check
check: $(DEV_STAMP) ## Lint, format, types, layers and house rules: what must hold before a commit
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/style --quiet

.PHONY: test
test: $(DEV_STAMP) ## Run the test suites on private servers (installs the servers they need on Debian)
	@$(BIN)/python -m deploy.provision
	PENSTOCK_TESTS_NEED_SERVERS=1 $(TESTS) -m "not slow"

.PHONY: test-all
test-all: $(DEV_STAMP) ## As test, with the tests that take long
	@$(BIN)/python -m deploy.provision
	PENSTOCK_TESTS_NEED_SERVERS=1 $(TESTS)

.PHONY: test-plans
test-plans: $(DEV_STAMP) ## Property test of plans on the three databases: from any table with rows to any other, crashes
	@$(BIN)/python -m deploy.provision
	PENSTOCK_TESTS_NEED_SERVERS=1 $(BIN)/python -m pytest tests/plans -m "not slow"

.PHONY: bench-alter
bench-alter: $(DEV_STAMP) ## Change a million-row table on PostgreSQL and show that it isn't written anew
	@$(BIN)/python -m deploy.provision
	@$(BIN)/python -m tests.benchmarks.alter

.PHONY: bench-load
bench-load: $(DEV_STAMP) ## Load 1 and 20 million rows in whole runs, against the databases' own loaders (BENCH_ROWS=n: one count)
	@$(BIN)/python -m deploy.provision
	@$(BIN)/python -m tests.benchmarks.load $(if $(BENCH_ROWS),--rows $(BENCH_ROWS))

.PHONY: test-compose
test-compose: $(DEV_STAMP) ## Build the images, run docker-compose.yml, tell it the tests' story (exit code 4: no engine)
	@$(BIN)/python -m tests.compose

.PHONY: openapi
openapi: $(DEV_STAMP) ## Write the OpenAPI documents of the three services to deploy/openapi/
	@$(BIN)/python -m deploy.openapi

.PHONY: reference
reference: $(DEV_STAMP) ## Write docs/settings.md and docs/handlers.md from the code
	@$(BIN)/python -m deploy.reference

.PHONY: lock
lock: $(DEV_STAMP) ## Resolve the requirements again, with hashes; UPGRADE=1 takes newer versions
	$(COMPILE) --extra all --output-file requirements/all.txt
	@for extra in system meta etl; do \
		$(COMPILE) --constraint requirements/all.txt --extra $$extra --output-file requirements/$$extra.txt || exit 1; \
	done
	$(COMPILE) --constraint requirements/all.txt --extra all --group demo --output-file requirements/demo.txt
	$(COMPILE) --constraint requirements/all.txt --extra all --group demo --group dev --output-file requirements/dev.txt

##@ Operate it

.PHONY: migrate
migrate: $(RUN_TIME_STAMP) ## Bring the databases in var/ to the newest schema (Penstock must be stopped)
	@$(BIN)/python manage.py migrate

.PHONY: clean
clean: ## Remove .venv, caches and the demo's data; var/ itself is kept
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var/demo
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

##@ Operate it as a team of containers

.PHONY: init
init: ## Write .env and the secrets for docker-compose.yml (ADMIN_PASSWORD_FILE=, SOURCE_NETWORKS=, PUBLISH=)
	@$(PYTHON) -m deploy.init

.PHONY: up
up: ## Build the images, start the containers, wait until all are healthy; RUNNERS=3 for more runs at a time
	@$(PYTHON) -m deploy.compose up --runners $(or $(RUNNERS),1)

.PHONY: down
down: ## Stop and remove the containers; the data stays
	@$(PYTHON) -m deploy.compose down

.PHONY: logs
logs: ## Follow the logs of the containers; SERVICE=etl for one service
	@$(PYTHON) -m deploy.compose logs $(SERVICE)

.PHONY: ps
ps: ## Show the containers and their health
	@$(PYTHON) -m deploy.compose ps

.PHONY: footprint
footprint: ## Show the sizes of the images and the memory of each container
	@$(PYTHON) -m deploy.compose footprint

# The stamps say which requirements an environment holds, so that the second time is quick.

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Penstock needs Python 3.11, 3.12 or 3.13; name one with PYTHON=..." >&2; exit 2; }
	@echo "Making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { \
		echo "Could not make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@touch $@

$(RUN_TIME_STAMP): requirements/all.txt | $(VENV)/.made
	@echo "Installing the packages of requirements/all.txt"
	@$(PIP_INSTALL) -r $<
	@touch $@

$(DEMO_STAMP): requirements/demo.txt | $(VENV)/.made
	@echo "Installing the packages of requirements/demo.txt (half a minute, once)"
	@$(PIP_INSTALL) -r $<
	@touch $@ $(RUN_TIME_STAMP)

$(DEV_STAMP): requirements/dev.txt | $(VENV)/.made
	@echo "Installing the packages of requirements/dev.txt (a minute, once)"
	@$(PIP_INSTALL) -r $<
	@touch $@ $(DEMO_STAMP) $(RUN_TIME_STAMP)
