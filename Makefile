# Everything runs from this file, on a machine with Python 3.11, make and git.
#
#   make demo [RANGE=2012-01-03...2012-12-31]  the whole graph on real prices, and what came out
#   make rebuild-warehouse                      every table again, from the lake alone
#   make dev                                    the Dagster UI on 127.0.0.1:3000
#   make test | lint | integration | bench
#   make smoke-gcp                              a week of the sample on a real project, twice

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
QUARTER := 2012-12-03...2013-03-01
export DAGSTER_HOME := $(CURDIR)/.dagster_home
export UV_PROJECT_ENVIRONMENT := .venv

# One at a time, so that `make demo` and `make test` may be started together.
LOCKED := $(PYTHON) -c 'import fcntl, subprocess, sys; \
	lock = open(".bootstrap.lock", "w"); fcntl.flock(lock, fcntl.LOCK_EX); \
	sys.exit(subprocess.call(sys.argv[1:]))'

.PHONY: setup demo rebuild-warehouse dev test lint format integration bench schemas smoke-gcp

setup:
	@$(LOCKED) sh -euc '\
		test -x $(BIN)/uv || { \
			echo "setting up .venv"; \
			$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv; }; \
		$(BIN)/uv sync --quiet --locked; \
		mkdir -p $(DAGSTER_HOME); cp dagster.yaml $(DAGSTER_HOME)/'

demo: setup
	$(BIN)/python -m stock_platform.demo $(or $(RANGE),$(QUARTER))

rebuild-warehouse: setup
	$(BIN)/python -m stock_platform.rebuild

dev: setup
	$(BIN)/dagster dev --host 127.0.0.1 --port 3000

test: setup
	$(BIN)/python -m pytest -m "not integration"

integration: setup
	$(BIN)/python -m pytest -m integration

smoke-gcp: setup
	@test "$$STOCK_PLATFORM_DEPLOYMENT" = staging || { \
		echo "set STOCK_PLATFORM_DEPLOYMENT=staging and what docs/google-cloud.md asks for"; exit 1; }
	STOCK_PLATFORM_MARKET_DATA=sample $(BIN)/python -m stock_platform.demo 2012-12-03...2012-12-07
	STOCK_PLATFORM_MARKET_DATA=sample $(BIN)/python -m stock_platform.demo 2012-12-03...2012-12-07

bench: setup
	$(BIN)/python -m stock_platform_tests.benchmarks

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# BigQuery's schema files, from the contracts.
schemas: setup
	$(BIN)/python -m stock_platform.contracts.render
