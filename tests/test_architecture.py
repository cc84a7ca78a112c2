"""What may know of what: the numerical core stands alone, and its compiled kernels are never stale."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SIM = ROOT / "sim"
MODULES = sorted(path.stem for path in SIM.glob("*.py"))
FORBIDDEN = ["dask", "distributed", "xarray", "zarr", "hydra", "omegaconf", "pydantic", "matplotlib", "pipeline"]
ALLOWED = {"numpy", "numba", "llvmlite", "sim"} | sys.stdlib_module_names


def python(script, folder=ROOT, **environment):
    """The output of a script run by a fresh interpreter that finds `sim` in a folder."""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_numerical_core_is_found():
    assert {"kernel_cache", "elementary", "kuramoto", "learning", "memory", "noise", "vectors"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_importing_the_numerical_core_loads_no_storage_labels_or_scheduler(module):
    name = "sim" if module == "__init__" else f"sim.{module}"
    script = f"import sys, json, {name}\nprint(json.dumps(sorted(sys.modules)))"
    loaded = {module.partition(".")[0] for module in json.loads(python(script))}
    assert "sim" in loaded
    assert not loaded.intersection(FORBIDDEN)


@pytest.mark.parametrize("module", MODULES)
def test_the_numerical_core_imports_numpy_and_numba_alone(module):
    imported = set()
    for node in ast.walk(ast.parse((SIM / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add("sim" if node.level else node.module.partition(".")[0])
    assert imported <= ALLOWED


# --- compiled kernels ---------------------------------------------------------------------------------------

DRAW = """
import json
from sim import noise
drawn = noise.normals(1, 2, 3, 4).tolist()
hits, misses = noise._fill_normals.stats.cache_hits, noise._fill_normals.stats.cache_misses
print(json.dumps([drawn, sum(hits.values()), sum(misses.values())]))
"""


@pytest.fixture
def draw(tmp_path):
    """A copy of `sim`, and a function that draws normals with it in a fresh process: (normals, hits, misses)."""
    shutil.copytree(SIM, tmp_path / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    return lambda: tuple(json.loads(python(DRAW, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache"))))


def test_a_second_process_does_not_compile_again(draw):
    drawn, hits, misses = draw()
    assert (hits, misses) == (0, 1)
    assert draw() == (drawn, 1, 0)


def test_an_edit_of_another_module_is_not_answered_by_stale_kernels(draw, tmp_path):
    before, *_ = draw()
    elementary = tmp_path / "sim" / "elementary.py"
    source = elementary.read_text()
    pairs = "*(radius * cosine).widened(), *(radius * sine).widened()"
    assert source.count(pairs) == 1
    elementary.write_text(source.replace(pairs, "*(radius * sine).widened(), *(radius * cosine).widened()"))
    after, hits, misses = draw()
    assert (hits, misses) == (0, 1)
    assert after == [*before[2:], *before[:2]]


def test_undoing_an_edit_finds_the_kernels_of_before(draw, tmp_path):
    drawn, *_ = draw()
    learning = tmp_path / "sim" / "learning.py"
    source = learning.read_text()
    learning.write_text(source + "\n# a remark\n")
    draw()
    learning.write_text(source)
    assert draw() == (drawn, 1, 0)


def test_kernels_are_kept_where_the_cache_folder_cannot_be_written(draw, tmp_path):
    (tmp_path / "cache").write_text("a file, not a folder")
    (tmp_path / "elsewhere").mkdir()
    script = "import os, tempfile; tempfile.tempdir = os.environ['ELSEWHERE']" + DRAW
    elsewhere = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "ELSEWHERE": str(tmp_path / "elsewhere")}
    first, second = (json.loads(python(script, tmp_path, **elsewhere)) for _ in range(2))
    assert first[0] == second[0]
    assert (first[1:], second[1:]) == ([0, 1], [1, 0])
