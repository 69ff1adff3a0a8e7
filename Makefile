# `make` alone says what there is. Everything it needs is set up on the way, inside this folder.
.DEFAULT_GOAL := help
.PHONY: help setup check infra-check test soak demo up try bench-control bench-engine bench-prediction lock clean
SHELL := /bin/sh
PYTHON := .venv/bin/python
SCALE ?= 1
FILES ?=

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

.venv/.ready: requirements.lock requirements-dev.txt requirements-worker.txt requirements-terminal.txt requirements.txt
	@python=$$(scripts/find-python) && { [ -x $(PYTHON) ] || "$$python" -m venv .venv; }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

local/node_modules/.ready: local/package.json local/package-lock.json
	@command -v npm >/dev/null || { echo "Node.js and npm are needed (Azurite, the local storage): apt-get install nodejs npm" >&2; exit 1; }
	npm ci --prefix local --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

setup: .venv/.ready local/node_modules/.ready ## everything the other targets need (they call it)

check: .venv/.ready ## format, lint, types, layers
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	@$(MAKE) --no-print-directory infra-check

infra-check: .venv/.ready ## Bicep, azure.yaml, hooks, image, workflows, without Azure
	@$(PYTHON) -c 'import tree_sitter_bicep' 2>/dev/null || { echo "infra-check skipped: no tree-sitter-bicep here"; exit 0; }; \
		$(PYTHON) -m pytest tests/infra tests/image -p no:cacheprovider

test: setup ## unit, contract and end-to-end tests
	$(PYTHON) -m pytest tests/core -n 2 --cov=restore.core --cov-branch --cov-report= --cov-fail-under=100
	$(PYTHON) -m pytest tests --ignore=tests/core --ignore=tests/infra -n 3 --dist loadfile --no-loadscope-reorder \
		--durations=10

soak: setup ## 10,000 restores in a simulated world where everything goes wrong, and all that takes long
	$(PYTHON) -m tests.simulation --seeds 10000
	$(PYTHON) -m tests.faults --every 10
	$(PYTHON) -m tests.fuzz --seconds 120
	$(PYTHON) -m pip install --quiet atheris==3.1.0
	for target in archive roles script rows entries request; do \
		$(PYTHON) -m tests.fuzz.guided $$target -max_total_time=120 || exit 1; done
	SOAK=1 $(PYTHON) -m pytest tests -m soak -n 2 --dist loadfile

demo: setup ## the whole way on this machine, with a sample; SCALE=10 for more rows
	@$(PYTHON) -m local demo --scale $(SCALE)

up: setup ## the local stack, kept running, with a command to try
	@$(PYTHON) -m local up --scale $(SCALE)

try: setup ## restore your own dump files: make try FILES=folder
	@[ -n "$(FILES)" ] || { echo "which folder? make try FILES=folder" >&2; exit 2; }
	@$(PYTHON) -m local try "$(FILES)"

bench-engine: setup ## the restore engine against pg_restore and the least one can take; takes hours
	$(PYTHON) -m bench.engine
	$(PYTHON) -m bench.engine --emulate

bench-prediction: setup ## how wrong predictions are, by the runs of bench-engine
	$(PYTHON) -m bench.prediction

bench-control: setup ## events a second, latency, growth of states, import time
	$(PYTHON) -m bench.control

lock: .venv/.ready ## requirements.lock from requirements*.txt, for every supported Python
	$(PYTHON) -m pip install --quiet uv
	.venv/bin/uv pip compile --universal --python-version 3.11 --upgrade --quiet --no-header \
		--no-emit-index-url --no-emit-find-links requirements-dev.txt -o requirements.lock

clean: ## everything that was made here
	rm -rf .venv local/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
