"""A search that is killed at any moment ends as one that was not."""

import random

import pytest

from pipeline.errors import COMPLETE
from tests import command
from tests.command import Gate, alive, stubbed, wait_for, worker_processes
from tests.contents import block_bytes, numbered_blocks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

KILLS = 5
BLOCKS = 24
SEARCH = (
    "axes.eta={start: 0.5, stop: 8, scale: log}",
    "axes.sigma={start: 0.05, stop: 1, scale: log}",
    "store={name: searched, block_members: 8}",
    "ensemble.members=8",
)
SEARCHES = {
    "an estimand": ("~axes.T", "settings.T=2", f"search={{of: error, goal: min, points: {BLOCKS}}}"),
    "an objective that asks for points": (
        "axes.T.values=[2]",
        f"search={{of: 'stub_objectives:longer', within: [T], goal: min, points: {BLOCKS}}}",
    ),
}


def record(path):
    """The bytes of the search's record."""
    (file,) = (path / "runs" / "searches").glob("*.json")
    return file.read_bytes()


@pytest.fixture(scope="module", params=SEARCHES)
def undisturbed(request, tmp_path_factory):
    """Of a search that nobody disturbed: its arguments, record and numbers."""
    root, own = tmp_path_factory.mktemp("undisturbed"), (*SEARCH, *SEARCHES[request.param])
    assert command.run(stubbed(root, *own)).returncode == COMPLETE
    return own, record(root / "searched.zarr"), block_bytes(root / "searched.zarr")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_search_killed_at_random_moments_ends_as_an_undisturbed_one(seed, tmp_path, start, undisturbed):
    own, told, numbers = undisturbed
    path, arguments, gate = tmp_path / "searched.zarr", stubbed(tmp_path, *own), Gate(tmp_path)
    moments = random.Random(seed)
    stops = sorted(moments.sample(range(1, len(numbers)), KILLS))
    for enough in stops:
        gate.allow(len(gate.begun()) + enough - (len(numbered_blocks(path)) if path.exists() else 0))
        process = start(arguments, tmp_path / "log", **gate.environment)
        wait_for(lambda: path.exists() and len(numbered_blocks(path)) >= enough, f"{enough} blocks")  # noqa: B023
        workers = worker_processes(process.pid)
        process.kill()
        process.wait()
        wait_for(lambda: not alive(workers), "the end of the workers of a killed driver")  # noqa: B023
    ended = command.run(arguments)
    assert (ended.returncode, ended.stderr) == (COMPLETE, "")
    assert record(path) == told
    assert block_bytes(path) == numbers
