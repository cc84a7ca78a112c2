"""What a command loads: heavy libraries only where they are used. Kept by modules, not by seconds."""

import json
import os
import subprocess
import sys

import pytest

from tests.command import ROOT, tiny

SCRIPT = """
import json, sys
from pipeline.__main__ import exit_code
code = exit_code(sys.argv[1:])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
HEAVY = {
    "scipy",
    "pandas",
    "xarray",
    "distributed",
    "dask",
    "numba",
    "matplotlib",
    "dask_jobqueue",
    "bokeh",
    "zarr",
}


def loaded_by(arguments):
    """The exit code of a command line in a fresh process, and the heavy libraries it loaded."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(ran.stdout.splitlines()[-1])
    return code, HEAVY.intersection(modules)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with the tiny sweep's store, complete."""
    from pipeline.__main__ import exit_code

    root = tmp_path_factory.mktemp("root")
    assert exit_code([*tiny(root), "cluster=serial", "~cluster.workers"]) == 0
    return root


@pytest.mark.parametrize("action", ["status", "list", "history"])
def test_what_is_told_of_a_store_loads_nothing_heavy(action, root):
    assert loaded_by(tiny(root, f"action={action}")) == (0, set())


def test_a_table_is_exported_by_nothing_heavy(root, tmp_path):
    assert loaded_by(tiny(root, "action=export", f"to={tmp_path / 'x.csv'}")) == (0, set())


def test_a_run_with_nothing_to_do_loads_nothing_heavy(root):
    assert loaded_by(tiny(root)) == (0, set())


def test_drawing_loads_what_draws_and_nothing_that_computes(root):
    code, heavy = loaded_by(tiny(root, "figures.draw=[kuramoto_T]"))
    assert code == 0
    assert {"matplotlib", "xarray"} <= heavy
    assert not heavy & {"distributed", "numba", "dask_jobqueue", "bokeh", "zarr"}


def test_the_package_itself_loads_nothing():
    script = "import sys, pipeline; print(sorted(name for name in sys.modules if name.startswith('pipeline')))"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "['pipeline']\n"
