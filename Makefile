# make run   set up, then the main sweep: figure 7 of the paper
# make test  set up, then all tests
# make bench  set up, then the kernel benchmarks
# make torture  set up, then 512 random kills of drivers and workers and a death at every write: most of an hour
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint bench torture clean

run: $(VENV)/.run
	$(BIN)/python -m pipeline +sweep=kuramoto_T

test: $(VENV)/.test
	$(BIN)/python -m pytest

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m tests.benchmarks

torture: $(VENV)/.test
	TORTURE_ROUNDS=32 $(BIN)/python -m pytest tests/pipeline/test_crash.py tests/pipeline/test_store.py

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
