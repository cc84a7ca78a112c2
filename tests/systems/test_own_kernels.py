"""Compiled kernels of a user's system: kept between processes, and never those of code from before an edit."""

import json
import os
import subprocess
import sys

import pytest

from tests.command import ROOT
from tests.systems.own import MODEL

INNER = "from numba import njit\n\n\n@njit(cache=True)\ndef term(x):\n    return x + 1.0\n"
KERNELS = """
from inner import term
from numba import njit

from sim.kernel_cache import kernel


@njit(cache=True)
def plain(x):
    return term(x)


@kernel
def ours(x):
    return 10.0 * term(x)
"""
SCRIPT = """
import json, sys
import numpy as np
from pipeline.systems import compute_members, search_in

search_in([sys.argv[1]])
values = compute_members("model", {"a": 1.0, "steps": 1}, 0, np.arange(8), 2)
import kernels

found = {kernel.__name__: sum(kernel.stats.cache_hits.values()) for kernel in (kernels.plain, kernels.ours)}
print(json.dumps([values["x"][0], found]))
"""


@pytest.fixture
def compute_apart(own, tmp_path):
    """x of the model, computed in a process of its own, and how many kernels it found compiled."""

    def computed():
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT, str(own.folder)],
            cwd=ROOT,
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return tuple(json.loads(ended.stdout))

    return computed


def test_kernels_are_found_by_later_processes_and_never_stale(own, tmp_path, compute_apart):
    own.put("inner.py", INNER)
    own.put("kernels.py", KERNELS)
    own.put("model.py", "from kernels import ours, plain\n" + MODEL)
    own.edit("model.py", 'settings["a"] + members', "np.full(len(members), plain(1.0) + ours(1.0))")
    assert compute_apart() == (22, {"plain": 0, "ours": 0})
    assert compute_apart() == (22, {"plain": 1, "ours": 1})
    own.edit("inner.py", "x + 1.0", "x + 2.0")  # the files of the kernels that call it stay as they are
    assert compute_apart() == (33, {"plain": 0, "ours": 0})
    own.edit("inner.py", "x + 2.0", "x + 1.0")
    assert compute_apart() == (22, {"plain": 1, "ours": 1})
    assert list(own.folder.rglob("*.nb[ic]")) == []
    folders = {path.parent.parent.name for path in (tmp_path / "cache").rglob("*.nbi")}
    assert len(folders) == 2
    assert all(folder.startswith("kernels-model-") for folder in folders)
