# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SHOP := examples/jewelry-shop

.DEFAULT_GOAL := help

help:  ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## a virtual environment with everything (no root, no apt)

$(STAMP): pyproject.toml uv.lock scripts/install
	@PYTHON="$(PYTHON)" VENV="$(VENV)" scripts/install
	@touch $@

demo: $(STAMP)  ## bring up a real shop, kill its database primary under sales, and judge
	@$(BIN)/seatrial run $(SHOP)/seatrial.yaml

variants: $(STAMP)  ## the shop made wrong in one way each: does the trial notice?
	@$(BIN)/seatrial variants $(SHOP)

check: $(STAMP)  ## lint, types (benchmarks, too), layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/module_sizes.py

test: demo check  ## the demo, then all checks and tests, six kills, and three variants
	@scripts/install-servers
	@$(BIN)/python -m pytest -q -n 3 --dist worksteal
	@$(BIN)/python benchmarks/kills.py --times 3
	@$(BIN)/python benchmarks/kills.py --times 3 --keeper
	@$(BIN)/seatrial variants $(SHOP) --no-control --only tenant-leak --only proxy-with-one-upstream --only stock-not-decremented
	@scripts/test-docker --smallest

test-docker: $(STAMP)  ## all that needs containers: installs an engine from Debian where there is none, and leaves nothing behind
	@scripts/install-servers
	@scripts/test-docker

bars: $(STAMP)  ## each figure that is promised, beside its bound (long; nginx and wrk by apt)
	@scripts/install-peers
	@$(BIN)/python benchmarks/bars.py

lock:  ## refresh uv.lock
	@$(BIN)/uv lock

clean:  ## remove what these commands made
	@rm -rf $(VENV) .seatrial .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: help install demo variants check test test-docker bars lock clean
