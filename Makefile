# make run       set up, then the main sweep: figure 7 of the paper
# make test      set up, then the fast tests of every room and sweep: some minutes
# make test-lowest   the same with the lowest versions that pyproject.toml allows, in an environment of their own
# make test-all  set up, then all tests: also torture, simulations of coverage, sizes, and Slurm where there is one
# make lint      set up, then ruff and mypy
# make paper     set up, then all sweeps of the paper, two blocks of each computed again, and shorter steps for figure 7; ends
#                with data/report/stores.html, which judges the paper's claims: an hour on two cores
# make calibrate set up, then what the default settings come from: the best place of figure 3a, and the search for settings of
#                the oscillators under which most claims hold together: hours
# make sequels   set up, then sweeps about questions that the paper leaves open: an hour on two cores
# make bench     set up, then the benchmarks
# make torture   set up, then 512 random kills of drivers and workers, a death at every write, every bit of a store
#                flipped, thousands of steps of a store that is harmed: some hours
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
# Two files at a time: many tests wait for processes. What a file sets up once is set up once.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

TORTURE := $(addprefix tests/,execution/test_crash.py $(addprefix store/test_,deaths.py flips.py state_machine.py))

PAPER := patterns network_weights network_evolution network_functional network_functional_fresh network_robust \
	network_robust_evolution network_eta_sigma network_eta_sigma_15 network_robust_eta_sigma kuramoto_evolution \
	kuramoto_weight_control kuramoto_T kuramoto_null kuramoto_continuous_T
SEQUELS := network_functional network_two_deleted kuramoto_size kuramoto_drift_noise kuramoto_continuous_delay

.PHONY: run paper calibrate sequels test test-lowest test-all test-slow lint bench torture clean

run: $(VENV)/.run
	$(BIN)/python -m pipeline +sweep=kuramoto_T

paper: $(VENV)/.run
	for sweep in $(PAPER); do $(BIN)/python -m pipeline +sweep=$$sweep || exit; done
	for sweep in $(PAPER); do $(BIN)/python -m pipeline +sweep=$$sweep action=verify verify.sample=2 || exit; done
	$(BIN)/python -m pipeline +sweep=kuramoto_T action=converge
	$(BIN)/python -m pipeline action=report

calibrate: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[search]'
	$(BIN)/python -m pipeline +sweep=network_calibration
	$(BIN)/python -m pipeline +sweep=kuramoto_calibration

sequels: $(VENV)/.run
	for sweep in $(SEQUELS); do $(BIN)/python -m pipeline +sweep=$$sweep || exit; done
	$(BIN)/python -m pipeline action=report

test: $(VENV)/.test
	$(PYTEST) -m "not slow and not slurm"

test-lowest:
	mkdir -p $(LOWEST)
	$(PYTHON) tests/lowest.py >$(LOWEST)/constraints.txt
	PIP_CONSTRAINT=$(LOWEST)/constraints.txt $(MAKE) --no-print-directory test VENV=$(LOWEST)

test-all: $(VENV)/.test
	$(PYTEST)

# What `make test` leaves out: more at a time, as these wait more than they compute.
test-slow: $(VENV)/.test
	$(PYTEST) --numprocesses 4 -m "slow or slurm"

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m tests.benchmarks

torture: $(VENV)/.test
	TORTURE_ROUNDS=32 $(BIN)/python -m pytest --numprocesses 2 --dist load --timeout 14400 $(TORTURE)

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/.lint: pyproject.toml $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[lint]'
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) build *.egg-info
