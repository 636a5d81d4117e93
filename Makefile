# Everything a person does here. `make run` and `make test` work as the first command after a clone:
# they make .venv first, from hashed locks, with any Python of 3.11 to 3.14.

SHELL := /bin/sh
PYTHON_BIN := .venv/bin/python
# Where compiled code may not be kept, each of dozens of processes compiles all of it anew.
unexport PYTHONDONTWRITEBYTECODE
EXAMPLE ?= weather

.DEFAULT_GOAL := help
.PHONY: help run up down status test bench browser chaos fuzz alone check format protos protos-check migration lock fresh clean env

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: env ## Run an example from start to end (EXAMPLE=weather, ONCE=1 stops the stack afterwards)
	@exec $(PYTHON_BIN) -m stack run $(EXAMPLE) $(if $(filter 1,$(ONCE)),--once)

up: env ## Start the whole suite and keep it alive until Ctrl-C (DETACH=1: in the background)
	@exec $(PYTHON_BIN) -m stack up $(if $(filter 1,$(DETACH)),--detach)

down: env ## Stop what `make up` or `make run` started
	@exec $(PYTHON_BIN) -m stack down

status: env ## Show each process with its age, restarts and memory
	@exec $(PYTHON_BIN) -m stack status

test: env ## Run the tests on the real PostgreSQL, NATS and Envoy (ARGS="-k name" to choose)
	@$(PYTHON_BIN) -m worker.toolboxes
	@$(PYTHON_BIN) -m pytest --numprocesses 3 $(ARGS)

check: env ## Check format, lint, types, import rules and contracts
	@.venv/bin/ruff format --check --quiet . || { echo "error: \`make format\` formats the files above"; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy --no-error-summary .
	@found=$$(.venv/bin/lint-imports 2>&1) || { echo "$$found"; exit 1; }
	@$(PYTHON_BIN) protos/check.py

format: env ## Format the code and apply safe fixes
	@.venv/bin/ruff check --quiet --fix-only .
	@.venv/bin/ruff format --quiet .

protos: env ## Generate protos/gen from the contracts
	@$(PYTHON_BIN) protos/generate.py

protos-check: env ## Lint the contracts and compare them with the last release
	@$(PYTHON_BIN) protos/check.py

migration: env ## Write a service's next migration (SERVICE=registry MESSAGE="add icons")
	@$(PYTHON_BIN) -m stack.migration "$(SERVICE)" "$(MESSAGE)"

bench: env ## Measure the workloads beside the bare baseline, on a stack of its own
	@$(PYTHON_BIN) -m tests.bench

browser: env ## Try logins, cookies and streams in a real Chromium (the first time, this downloads some 70 MB)
	@$(PYTHON_BIN) -m pytest tests/browser $(ARGS)

chaos: env ## Break a stack of its own under load and check what has to hold (SEED=1 repeats, MINUTES=10)
	@$(PYTHON_BIN) -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

fuzz: env ## Ask a stack of its own by chance, over gRPC and REST (SEED=1 repeats, MINUTES=5)
	@$(PYTHON_BIN) -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

alone: env ## Install each member alone, in an empty environment, and start it
	@$(PYTHON_BIN) deploy/alone.py

lock: ## Resolve requirements.lock anew from every pyproject.toml
	@deploy/bootstrap.sh lock

fresh: ## Prove that a fresh clone of HEAD runs with Python, make and git alone (FRESH_TEST=1: tests too)
	@deploy/fresh.sh

clean: ## Delete environments, caches and the local state (asks nothing; `make down` first)
	@rm -rf .venv .tools .mcpanel .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

env:
	@deploy/bootstrap.sh
