"""What `explain` says of memory, against the memory that computing takes."""

import subprocess
import sys

import pytest

import pipeline
from pipeline.__main__ import exit_code
from pipeline.errors import CONFIG_WRONG
from pipeline.plan import Prediction, explanation, make_plan
from pipeline.request import define
from pipeline.systems import find
from tests.command import ROOT
from tests.systems.own import MODEL

# Prints how much the largest memory of a process grows when it computes a block after a small one of the same kind.
PEAKS = """
import sys
import numpy as np
from pipeline.systems import compute_members
from tests.memory import largest_memory

name, small, large = sys.argv[1], *map(eval, sys.argv[2:])
compute_members(name, small, 1, np.arange(8), 2)
before = largest_memory()
compute_members(name, large, 1, np.arange(8), 2)
print(largest_memory() - before)
"""
OSCILLATORS = {
    "frequencies": None, "frequency_half_width": 1.0, "eta": 0.1, "sigma": 0.1, "dt": 0.1, "weight_control": 0.1,
    "target_order_parameter": 0.6, "target_mean_abs_weight": 1.0, "fixed_discarded": 0.0, "fixed_duration": 0.1,
}  # fmt: skip
LEARNING = {**OSCILLATORS, "T": 0.1, "iterations": 1, "trace_duration": 0.0}
NETWORK = {
    "hidden": 10, "error": "square", "eta": 1.0, "sigma": 0.1, "iterations": 1, "robust_eta": 0.0, "robust_sigma": 0.0,
    "threshold": 0.2, "backpropagation_rate": 0.0, "patterns": ["#.\n.#", ".#\n#."],
}  # fmt: skip
CASES = {
    "kuramoto, many oscillators": (
        "kuramoto", {**LEARNING, "oscillators": 13, "delay": 1}, {**LEARNING, "oscillators": 500, "delay": 1},
    ),
    "kuramoto, a long delay": (
        "kuramoto", {**LEARNING, "oscillators": 100, "delay": 1}, {**LEARNING, "oscillators": 100, "delay": 250},
    ),
    "kuramoto_continuous, a long window": (
        "kuramoto_continuous",
        {**OSCILLATORS, "oscillators": 100, "delay": 1, "T": 0.1, "iterations": 1},
        {**OSCILLATORS, "oscillators": 100, "delay": 1, "T": 10.0, "iterations": 100},
    ),
    "network, a long delay": ("network", {**NETWORK, "delay": 1}, {**NETWORK, "delay": 15_000}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_memory_is_predicted_as_computing_takes_it(case):
    name, small, large = CASES[case]
    command = [sys.executable, "-c", PEAKS, name, repr(small), repr(large)]
    for _ in range(2):  # compiling takes more memory than computing: the second process finds all kernels compiled
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    predicted = find(name).memory(large)
    assert predicted > 4e7  # well above what else a process needs to grow
    assert int(ran.stdout) == pytest.approx(predicted, rel=0.25)


def test_the_memory_of_the_largest_point_counts(configure, tmp_path):
    def explained(*overrides):
        sweep = define(configure(tmp_path, *overrides))
        return explanation(make_plan(sweep, tmp_path / "s.zarr", None, "stop"), Prediction(0.0), 1, {})

    short, long = (explained("~axes.T", f"+axes.delay.values=[{delay}]") for delay in (1, 1000))
    assert long.memory - short.memory == 999 * 8 * 8 * 45  # Δ generations of 45 weights, of eight members each
    both = explained("~axes.T", "+axes.delay.values=[1,1000,5]")
    assert both.memory == long.memory
    assert "memory      about 2.9 MB a worker for its largest block" in str(both)


@pytest.fixture
def own(tmp_path):
    """(edit) → arguments for a system of a user's own, of which a block holds 16 numbers."""

    def arguments(old="", new=""):
        (tmp_path / "model_of_memory.py").write_text(MODEL.replace(old, new))
        (tmp_path / "system").mkdir()
        (tmp_path / "system" / "own.yaml").write_text(
            "# @package _global_\nsystem: model_of_memory\nsettings: {a: 1.0, steps: 1}\n"
        )
        return [
            "system=own",
            "store.name=s",
            f"store.root={tmp_path}",
            "ensemble.members=8",
            "store.block_members=8",
        ]

    return arguments


def test_without_a_prediction_the_variables_of_a_block_are_told(own, tmp_path):
    explained = pipeline.explain(*own(), config_dir=tmp_path)
    assert explained.memory == 8 * 16
    assert "memory      at least 128 B a worker" in str(explained)


def test_a_prediction_of_a_users_own_system_is_added(own, tmp_path):
    with_memory = own("compute=compute,", 'compute=compute, memory=lambda settings: 1000 * settings["a"],')
    explained = pipeline.explain(*with_memory, config_dir=tmp_path)
    assert explained.memory == 8 * 16 + 1000


@pytest.mark.parametrize("given", ["1 / 0", "-1", "'much'"])
def test_a_prediction_that_is_no_number_of_bytes_is_refused_in_one_line(given, own, tmp_path, capsys):
    arguments = own("compute=compute,", f"compute=compute, memory=lambda settings: {given},")
    assert exit_code(["--config-dir", str(tmp_path), *arguments, "action=explain"]) == CONFIG_WRONG
    (line,) = capsys.readouterr().err.splitlines()
    assert "system: memory: " in line
