# `make demo` and `make test` do all the set-up by themselves. Any Python from 3.10 on will do: make PYTHON=python3.12 …
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
VENV ?= .venv
BIN := $(VENV)/bin
NEWER := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python3.14; do \
	$$p -c '$(NEWER)' 2>/dev/null && { echo $$p; break; }; done)

# The build for CPUs has a twentieth of the size of the one on PyPI, which is of use only beside an NVIDIA driver.
# Where its index can't be reached, PyPI's has to do.
TORCH := torch==2.13.0
CPU_INDEX := https://download.pytorch.org/whl/cpu
HAS_TORCH := import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test check clean
help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: $(VENV)/.acceltop $(VENV)/.torch ## a training job, and acceltop attached to it
	@$(BIN)/acceltop demo

test: $(VENV)/.dev $(VENV)/.torch ## all tests
	@# They start acceltop hundreds of times: compiled once, even where PYTHONDONTWRITEBYTECODE is set.
	@$(BIN)/python -m compileall -q collectors profiler views
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(PYTEST)

check: $(VENV)/.dev ## lint, types and import walls, then all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

clean: ## removes what make made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage demo.mcap

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo 'acceltop needs Python 3.10 or newer, with venv (Debian: apt install python3-venv)' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.acceltop: $(VENV)/.made pyproject.toml
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(PIP) --editable '.[dev,opencl]'
	@touch $@ $(VENV)/.acceltop

$(VENV)/.torch: $(VENV)/.made
	@$(BIN)/python -c '$(HAS_TORCH)' \
	|| { ! command -v nvidia-smi >/dev/null && echo 'installing PyTorch for CPUs …' \
	     && $(PIP) --retries 0 --timeout 15 --index-url $(CPU_INDEX) $(TORCH) 2>/dev/null; } \
	|| { echo 'installing PyTorch from PyPI …' && $(PIP) $(TORCH); }
	@touch $@
