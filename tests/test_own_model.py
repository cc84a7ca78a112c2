"""The README's own model, outside the package: extracted from the README and taken through all that a sweep can do."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pipeline
from pipeline.__main__ import exit_code
from pipeline.errors import COMPLETE, CONFIG_WRONG
from pipeline.store import open_store
from pipeline.systems import search_in
from tests.command import ROOT, wait_for
from tests.contents import assert_same_values, block_bytes, stored_blocks

FILES = dict(re.findall(r"^`(mine/[\w./]+)`\n\n```\w+\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M))

KERNEL = """
@njit(cache=True)
def walk(x, kicks, dt, force):
    path = np.empty(kicks.size)
    for n in range(kicks.size):
        x = x + (x - x**3 + force) * dt + kicks[n]
        path[n] = x
    return path


"""
WITH_KERNEL = """    scale = settings["sigma"] * np.sqrt(dt)
    kicks = [scale * rng.standard_normal(steps) for rng in streams(seed, members)]
    path = np.stack([walk(-1.0, kick, dt, settings["force"]) for kick in kicks])
"""


def with_numba_kernel(text):
    """The model with its loop as a kernel compiled by numba."""
    start, end = text.index('    scale = settings["sigma"]'), text.index('    return {"x"')
    text = text[:start] + WITH_KERNEL + text[end:]
    text = text.replace("import numpy as np\n", "import numpy as np\nfrom numba import njit\n")
    return text.replace("def compute(", KERNEL.lstrip() + "def compute(")


def without_iterations(text):
    """The model with another name for its length, and no series."""
    text = text.replace("iterations: int", "length: int").replace('settings["iterations"]', 'settings["length"]')
    text = text.replace('"x": path[:, recorded(settings, records)]', '"last": path[:, -1]')
    text = text.replace(
        'Variable("x", ("iteration",), "position", "length")', 'Variable("last", (), "last position")'
    )
    return (
        text.replace("dimensions=(ITERATION,)", "dimensions=()")
        .replace("ITERATION, ", "")
        .replace("recorded, ", "")
    )


MODELS = {"plain": str, "numba kernel": with_numba_kernel, "no iterations": without_iterations}


@pytest.fixture(params=MODELS)
def folder(request, tmp_path, monkeypatch):
    """A working directory outside the package, with the README's three files in it."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        changed = MODELS[request.param](text) if name.endswith(".py") else text
        if request.param == "no iterations" and name.startswith("mine/system"):
            changed = changed.replace("iterations: 2000", "length: 2000")
        path.write_text(changed)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    search_in([])
    sys.modules.pop("double_well", None)


SWEEP = ["--config-dir", "mine", "+sweep=wells"]
TINY = [*SWEEP, "ensemble.members=8", "store.block_members=4", "store.records=5"]


def process(arguments, **options):
    """Start the command line as a user would, in the working directory."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "pipeline", *arguments], env=environment, **options)


def run(arguments):
    """Run it to its end: exit code and output."""
    ran = process(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output, _ = ran.communicate(timeout=120)
    return ran.returncode, output


def test_it_is_as_short_as_promised():
    lines = {name: len(text.splitlines()) for name, text in FILES.items()}
    assert sum(count for name, count in lines.items() if name.endswith(".py")) <= 45
    assert sum(count for name, count in lines.items() if name.endswith(".yaml")) <= 8
    assert len(lines) == 3


def test_it_runs_grows_verifies_and_notices_edits(folder, capsys):
    store = folder / "data" / "wells.zarr"
    assert exit_code([*TINY, "action=explain"]) == COMPLETE
    assert "blocks      6: 0 stored, 6 to compute" in capsys.readouterr().out
    assert not store.exists()

    code, output = run(TINY)  # real workers, which have to find the module
    assert (code, "computed 6 blocks" in output) == (COMPLETE, True), output
    before = block_bytes(store)

    serial = [*TINY, "cluster=serial"]
    grown = ["axes.force.values=[-0.2,-0.1,0,0.1,0.2]", "ensemble.members=12"]
    assert exit_code([*serial, *grown]) == COMPLETE
    assert len(stored_blocks(store)) == 15
    assert {name: block_bytes(store)[name] for name in before} == before
    assert exit_code([*serial, *grown, "store.name=at_once"]) == COMPLETE
    assert_same_values(store, folder / "data" / "at_once.zarr")

    assert exit_code([*serial, "action=verify", "verify.share=1", "verify.sample=null"]) == COMPLETE
    assert "all blocks are as they should be" in capsys.readouterr().out

    assert exit_code([*serial, "action=report"]) == COMPLETE
    page = (folder / "data" / "report" / "wells.html").read_text()
    assert "double_well: 3 values of force, up to 8 members each" in page
    assert "15 blocks checked, 15 computed again; all blocks are as they should be" in page
    capsys.readouterr()

    target = "ensemble.precision={of: right, half_width: 0.15, min_members: 8, max_members: 400}"
    assert exit_code([*serial, target]) == COMPLETE
    assert "precision: right within ± 0.15 (95%) at 3 of 3 points" in capsys.readouterr().out

    model = folder / "mine" / "double_well.py"
    model.write_text(model.read_text().replace("x - x**3", "x - 1.01 * x**3"))
    assert exit_code(serial) == CONFIG_WRONG
    told = capsys.readouterr().err
    assert re.search(r"computed by other code \(changed since: double_well\.(compute|walk)\)", told), told
    assert exit_code([*serial, "on_stale=recompute"]) == COMPLETE
    assert exit_code([*serial, "action=verify", "verify.sample=6"]) == 3  # the grown part is of the other code
    model.write_text(f"# A remark.\n{model.read_text()}")
    assert exit_code(serial) == COMPLETE


def test_its_estimands_are_means_and_medians_of_its_scalars(folder):
    dataset = pipeline.run(*TINY[2:], "cluster=serial", config_dir="mine")
    right = pipeline.table(dataset, "right")
    np.testing.assert_array_equal(right["estimate"], dataset["right"].mean("member"))
    assert right["estimate"].dims == ("force",)
    assert right["count"].values.tolist() == [8, 8, 8]
    assert (right["low"] < right["high"]).all()
    median = pipeline.table(dataset, "median_right")["estimate"]
    np.testing.assert_array_equal(median, dataset["right"].median("member"))


def test_a_sweep_that_was_killed_resumes(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    request = [*SWEEP, "ensemble.members=80", "store.block_members=2", "store.records=5"]
    driver = process(request, start_new_session=True, stdout=subprocess.DEVNULL)
    store = tmp_path / "data" / "wells.zarr"
    wait_for(lambda: store.exists() and stored_blocks(store), "a block is stored")
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    before = block_bytes(store)
    count = len(stored_blocks(store))
    assert 0 < count < 120
    code, output = run(request)
    assert (code, f"computed {120 - count} blocks" in output) == (COMPLETE, True), output
    after = block_bytes(store)
    assert all(after[name] == content for name, content in before.items() if "digest" in name and any(content[:8]))
    code, output = run([*request, "store.name=undisturbed"])
    assert code == COMPLETE, output
    assert_same_values(store, tmp_path / "data" / "undisturbed.zarr")


def test_no_file_of_the_project_is_touched(folder):
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "conf").rglob("*.yaml")}
    assert exit_code([*TINY, "cluster=serial"]) == COMPLETE
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "conf").rglob("*.yaml")} == before
    assert open_store(Path("data/wells.zarr")).fingerprint["system"] == "double_well"
    shutil.rmtree("data")
