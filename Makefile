# Hotori. `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LANGUAGE ?= en
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Hundreds of programs are started by the tests: each would compile all of the source.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup setup-dev setup-device demo test crash fuzz check lint types layers docs bench lock vendor clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(VENV)/.run: requirements/run.lock pyproject.toml
	@tools/setup run

$(VENV)/.dev: requirements/dev.lock pyproject.toml
	@tools/setup dev

setup: $(VENV)/.run ## prepare .venv with the `hotori` command in it
setup-dev: $(VENV)/.dev

setup-device: ## the same with only what an edge device needs
	@tools/setup device

demo: $(VENV)/.run ## the main job: PICTURES=20 ends by itself, CAMERA=/dev/video0 takes your own camera
	@$(BIN)/hotori demo $(if $(PICTURES),--pictures $(PICTURES)) $(if $(CAMERA),--camera "$(CAMERA)")

test: $(VENV)/.dev ## every test, beside real brokers, clients and browsers
	@tools/system-packages
	$(BIN)/pytest -n $${WORKERS:-3} --dist loadgroup --no-loadscope-reorder $(TESTS)

crash: $(VENV)/.dev ## kill a hub under load; KILLS=200 times, with random numbers from SEED=1
	KILLS=$${KILLS:-200} SEED=$${SEED:-1} $(BIN)/pytest -q -s tests/crash

check: $(VENV)/.dev ## style, types, layers and documentation
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target lint types layers docs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.dev ## build the documentation into build/docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

bench: $(VENV)/.dev ## measure, beside named peers in the same run; ONLY=name for one row
	@tools/bench-peers
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

fuzz: $(VENV)/.dev ## look for input that breaks a parser, guided by coverage; MINUTES=17 in all (for the night)
	tools/fuzz $$(( $${MINUTES:-17} * 60 / 17 ))

lock: ## write the lock files anew (needs uv)
	tools/lock

vendor: ## fetch the browser files of the portal anew from their npm packages (needs npm)
	tools/vendor

clean: ## remove what was built, and the environment
	rm -rf build $(VENV)
