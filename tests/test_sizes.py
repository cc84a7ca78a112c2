"""Plans and stores of the size that users have, in the time and memory that they have."""

import subprocess
import sys
import time

import pytest

from pipeline.errors import COMPLETE
from pipeline.plan import make_plan
from pipeline.request import define
from pipeline.store import open_store
from tests.benchmarks import large_store
from tests.command import ROOT
from tests.contents import fill, records

GENEROUS = 4
"""Times as much processor time as on an idle machine of today may pass: cores are slower where others share them."""


# Prints its own processor time and largest memory.
MEASURED = """
import sys, time
from pipeline.__main__ import exit_code
from tests.memory import largest_memory
code = exit_code(sys.argv[1:])
print(time.process_time(), largest_memory(), file=sys.stderr)
sys.exit(code)
"""


def explain(*arguments):
    """Explain in a process of its own: output, seconds of processor time, and bytes of memory at most."""
    command = [sys.executable, "-c", MEASURED, *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, memory = ran.stderr.split()
    return ran.stdout, float(seconds), int(memory)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", ["{start: 1, stop: 9, num: 100}", "{start: 1, stop: 9, num: 1000}"])
def test_a_million_blocks_are_explained_in_seconds_and_within_a_gigabyte(shape, tmp_path):
    members = 80 if "num: 100}" in shape else 8
    out, seconds, memory = explain(
        "store.name=a", f"store.root={tmp_path}", "store.block_members=8", "settings.iterations=100",
        "axes.T={start: 1, stop: 100.9, num: 1000}", f"axes.eta={shape}", f"ensemble.members={members}",
        "action=explain",
    )  # fmt: skip
    assert "blocks      1000000: 0 stored, 1000000 to compute" in out
    assert seconds < 15 * GENEROUS
    assert memory < 1_000_000_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_thousand_stored_blocks_take_few_files_and_are_read_in_a_second(tmp_path, main):
    """Filed by the driver's own code, as in tests/benchmarks/large_store.py, which has five times as many."""
    large_store.build(tmp_path, 5000, 32, 8)
    path = tmp_path / "large.zarr"
    assert len(list(path.rglob("*"))) <= 100 + 20_000 // 50
    began = time.process_time()
    ended = main(["action=status", f"path={path}"])
    seconds = time.process_time() - began
    assert ended.code == COMPLETE
    assert "20000 of 20000 blocks (100%)" in ended.out
    assert seconds < GENEROUS


@pytest.mark.parametrize("points", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_growth_to_twice_the_points_and_members_computes_the_new_blocks_alone(points, configure, tmp_path):
    few = ("settings.iterations=1", "settings.oscillators=3", "store.block_members=24", "settings.dt=0.5")
    small = define(configure(
        tmp_path, *few, f"axes.T.values={[k + 1 for k in range(points)]}", "ensemble.members=96",
    ))  # fmt: skip
    large = define(configure(
        tmp_path, *few, f"axes.T.values={[k / 2 + 0.5 for k in range(2 * points)]}", "ensemble.members=192",
    ))  # fmt: skip
    path = tmp_path / "a.zarr"
    assert len(fill(small, path)) == points * 4
    before = records(path)
    assert len(fill(large, path)) == 2 * points * 8 - points * 4
    after = records(path)
    small_in_large = {(2 * k + 1, block): kept for (k, block), kept in before.items()}
    assert small_in_large.items() <= after.items()
    plan = make_plan(large, path, open_store(path), "stop")
    assert plan.complete
    assert set(plan.rows[1::2].tolist()) == set(range(points))
