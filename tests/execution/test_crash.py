"""Kill anything at any time: the same command completes the store, and nothing stored is computed twice."""

import contextlib
import io
import os
import random
import signal
import time
from typing import Any, NamedTuple

import pytest

from pipeline.__main__ import exit_code
from pipeline.errors import COMPLETE, INTERRUPTED
from tests import command
from tests.command import Gate, alive, filled, stubbed, wait_for, worker_processes
from tests.contents import block_bytes, numbered_blocks, records

pytestmark = pytest.mark.timeout(900)  # of a busy machine

BLOCKS = 30
LONG = ("axes.T.values=[20,21,22,23,24,25,26,27,28,29]", "ensemble.members=24", "settings.iterations=8000")
"""Ten points × three blocks of a quarter of a second."""
KILLS = 4
"""Times that one sweep is killed before it may end."""
MOST_BLOCKS_A_LIFE = 5
"""How many blocks may go on from one kill to the next, so that none comes too late."""
ROUNDS = range(int(os.environ.get("TORTURE_ROUNDS", "1")))
"""`make torture` sets more: each kills drivers and workers sixteen times, at moments of its own."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The bytes of the long sweep's blocks, computed in this process."""
    return block_bytes(filled(tmp_path_factory.mktemp("undisturbed"), *LONG))


def records_of(blocks, records):
    """What is recorded of some blocks."""
    return {where: records[where] for where in blocks}


def kill(process, workers=()):
    """Kill a driver, some workers, or both, the workers first; wait until nothing of the driver is left."""
    everyone = worker_processes(process.pid)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    wait_for(lambda: not alive(everyone), "the end of the workers of a killed driver")


# --- random moments -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [100 * turn + 1 for turn in ROUNDS])
@pytest.mark.parametrize("killed", ["driver", "driver and worker"])
def test_a_killed_sweep_is_completed_by_the_same_command(killed, seed, tmp_path, start, undisturbed):
    """Killed again and again at random moments: while nothing, some or most of it is stored."""
    path, arguments, gate = tmp_path / "kuramoto_T.zarr", stubbed(tmp_path, *LONG), Gate(tmp_path)
    rng = random.Random(f"{killed} {seed}")
    kept = {}
    for _ in range(KILLS):
        enough = len(numbered_blocks(path)) + 1  # workers may have stored some after their driver had died
        gate.allow(len(gate.begun()) + rng.randint(1, MOST_BLOCKS_A_LIFE))
        process = start(arguments, tmp_path / "log", **gate.environment)
        wait_for(lambda: len(numbered_blocks(path)) >= enough, f"{enough} blocks")  # noqa: B023
        time.sleep(rng.uniform(0, 0.25))
        workers = worker_processes(process.pid)
        assert len(workers) == 2
        done = numbered_blocks(path)
        kept |= records_of(done, records(path))
        assert process.poll() is None
        kill(process, workers[:1] if killed == "driver and worker" else [])
        assert enough <= len(done) < BLOCKS
        now = records(path)
        assert {name: now[name] for name in kept} == kept
    assert command.run(arguments).returncode == COMPLETE
    assert block_bytes(path) == undisturbed
    now = records(path)
    assert {name: now[name] for name in kept} == kept


@pytest.mark.slow
@pytest.mark.parametrize("seed", [100 * turn + 4 for turn in ROUNDS])
def test_a_driver_killed_while_it_starts_leaves_what_the_same_command_completes(seed, tmp_path, start, main):
    """At random moments between the start of the process and the first blocks."""
    path, arguments = tmp_path / "kuramoto_T.zarr", stubbed(tmp_path)
    rng = random.Random(seed)
    for _ in range(KILLS):
        process = start(arguments, tmp_path / "log")
        time.sleep(rng.uniform(0.3, 2.5))
        kill(process)
    assert main([*arguments, "action=status"]).code in (COMPLETE, INTERRUPTED)
    assert command.run(arguments).returncode == COMPLETE
    assert len(numbered_blocks(path)) == 6
    assert main([*arguments, "action=status"]).code == COMPLETE
    assert [left.name for left in tmp_path.glob("*.creating-*")] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [100 * turn + 3 for turn in ROUNDS])
def test_a_sweep_completes_though_its_workers_are_killed_all_along(seed, tmp_path, start, undisturbed):
    path, gate = tmp_path / "kuramoto_T.zarr", Gate(tmp_path)
    rng = random.Random(seed)
    process = start(stubbed(tmp_path, *LONG), tmp_path / "log", **gate.environment)
    kept, killed = {}, set()
    for _ in range(KILLS):
        enough = len(numbered_blocks(path)) + 1
        gate.allow(len(gate.begun()) + rng.randint(1, MOST_BLOCKS_A_LIFE))
        wait_for(lambda: len(numbered_blocks(path)) >= enough, f"{enough} blocks")  # noqa: B023
        time.sleep(rng.uniform(0, 0.25))
        workers = wait_for(lambda: worker_processes(process.pid), "a worker")
        kept |= records_of(numbered_blocks(path), records(path))
        assert process.poll() is None
        victim = rng.choice(sorted(workers))
        os.kill(victim, signal.SIGKILL)
        killed.add(victim)
    gate.open()
    assert process.wait(command.PATIENCE) == COMPLETE
    assert len(killed) == KILLS
    assert block_bytes(path) == undisturbed
    now = records(path)
    assert {name: now[name] for name in kept} == kept


# --- one driver a store, killed at work ---------------------------------------------------------------------


class AtWork(NamedTuple):
    """What was seen of a driver that waits for its blocks, of which two are stored, until it is killed."""

    pid: int
    workers: list[int]
    second: Any
    """How a second driver for the same store ended."""
    status: Any
    """What a status said meanwhile."""
    stored: set[tuple[int, int]]
    records: dict[tuple[int, int], Any]
    """Of the stored blocks as it was killed."""
    root: Any


def answer(arguments):
    """What a command line that is carried out here says: (exit code, output, errors)."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = exit_code(arguments)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A driver that was killed at work."""
    root = tmp_path_factory.mktemp("killed")
    path, gate = root / "kuramoto_T.zarr", Gate(root, blocks=2)
    with contextlib.ExitStack() as stack:
        process = command.start(stubbed(root), root / "log", **gate.environment)
        stack.callback(process.kill)
        wait_for(lambda: len(numbered_blocks(path)) == 2, "two blocks")
        gate.wait_for(4)
        second, status = answer(stubbed(root)), answer(stubbed(root, "action=status"))
        workers = worker_processes(process.pid)
        process.kill()
        process.wait()
        return AtWork(process.pid, workers, second, status, numbered_blocks(path), records(path), root)


def test_a_second_driver_is_refused_and_told_of_the_first(killed):
    code, _, err = killed.second
    assert code == INTERRUPTED
    (line,) = err.splitlines()
    assert "another driver is at work" in line
    assert f"process {killed.pid} " in line


def test_a_status_says_that_a_driver_is_at_work(killed):
    code, out, _ = killed.status
    assert code == INTERRUPTED
    assert "running now" in out
    assert "2 of 6 blocks" in out


def test_no_worker_outlives_its_killed_driver(killed):
    """Though its block would never end."""
    assert len(killed.workers) == 2
    wait_for(lambda: not alive(killed.workers), "the end of the workers")


def test_the_command_of_a_killed_driver_resumes_and_computes_nothing_twice(killed, main):
    path, arguments = killed.root / "kuramoto_T.zarr", stubbed(killed.root)
    assert len(killed.stored) == 2
    assert "killed; the same command resumes" in main([*arguments, "action=status"]).out
    ended = main(arguments)
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert "computed 4 blocks" in ended.out
    now = records(path)
    assert {name: now[name] for name in killed.records} == killed.records
    assert len(numbered_blocks(path)) == 6


# --- signals ------------------------------------------------------------------------------------------------


HEEDED = "running blocks have"
"""Said by a driver that has heeded a signal: from here on it starts no more blocks."""
MANY = ("axes.T.values=[1,2,3,4,5,6,7,8,9,10]",)
"""Ten points × two blocks: more than are handed to two workers at a time."""


def at_work(start, root, arguments, workers=1):
    """A driver with a block on each of its workers, which waits at a gate: (process, gate)."""
    gate = Gate(root)
    process = start([*arguments, f"cluster.workers={workers}"], root / "log", **gate.environment)
    gate.wait_for(workers)
    return process, gate


def said(root, words):
    """Wait until a driver has said something."""
    wait_for(lambda: words in (root / "log").read_text(), f"a driver that says: {words}")


def assert_interrupted(process, root):
    """Assert that a driver ends as interrupted, and says how to go on."""
    assert process.wait(command.PATIENCE) == INTERRUPTED, (root / "log").read_text()
    assert "the same command resumes" in (root / "log").read_text()
    assert "Traceback" not in (root / "log").read_text()


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [
        (signal.SIGINT, True),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, True, marks=pytest.mark.slow),
        (signal.SIGHUP, True),
    ],
)
def test_a_signal_lets_running_blocks_finish_ends_the_run_and_the_same_command_resumes(
    number, whole_group, tmp_path, start, main
):
    """Of two sweeps, the second is not begun."""
    several = ["-m", *stubbed(tmp_path, *MANY, "ensemble.seed=1,2", "store.name=seed${ensemble.seed}")]
    first, path = stubbed(tmp_path, *MANY, "store.name=seed1"), tmp_path / "seed1.zarr"
    process, gate = at_work(start, tmp_path, several, workers=2)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    said(tmp_path, f"{number.name}: {HEEDED}")
    assert numbered_blocks(path) == set()
    gate.open()
    assert_interrupted(process, tmp_path)
    assert f"interrupted ({number.name}); the same command resumes" in (tmp_path / "log").read_text()
    begun = {(int(T) - 1, member // 8) for T, member in gate.begun()}
    assert numbered_blocks(path) == begun
    assert 2 <= len(begun) < 20
    assert not (tmp_path / "seed2.zarr").exists()
    kept = records_of(begun, records(path))
    status = main([*first, "action=status"])
    assert status.code == INTERRUPTED
    assert f"{len(begun)} of 20 blocks" in status.out
    assert "interrupted" in status.out
    assert main(first).code == COMPLETE
    now = records(path)
    assert len(numbered_blocks(path)) == 20
    assert {name: now[name] for name in kept} == kept


def test_blocks_longer_than_the_grace_time_are_given_up(tmp_path, start):
    process, gate = at_work(start, tmp_path, stubbed(tmp_path, "cluster.grace_seconds=1"))
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert_interrupted(process, tmp_path)
    assert time.monotonic() - sent >= 1
    assert len(gate.begun()) == 1
    assert numbered_blocks(tmp_path / "kuramoto_T.zarr") == set()


SIGNALLED = """
import os, sys

class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["SIGNAL_AT"]:
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))

if "-m" in sys.orig_argv:
    sys.meta_path.insert(0, Signalling())
"""
"""Sends a signal to a command line's process as it imports a module."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("at", ["pipeline.actions", "omegaconf", "matplotlib"])
def test_a_signal_at_any_time_ends_in_exit_code_4_without_a_traceback(at, number, tmp_path):
    """While the program is loaded, or when a figure is drawn, which no driver's loop heeds."""
    (tmp_path / "sitecustomize.py").write_text(SIGNALLED)
    root, environment = (
        tmp_path / "data",
        {"PYTHONPATH": str(tmp_path), "SIGNAL_AT": at, "SIGNAL": str(int(number))},
    )
    arguments = command.elsewhere(root, "cluster=serial", "figures.draw=[kuramoto_T]")
    ended = command.run(arguments, **environment)
    assert ended.returncode == INTERRUPTED
    assert "Traceback" not in ended.stderr
    if at == "matplotlib":
        assert ended.stderr == "error: interrupted; the same command resumes, stored blocks are kept\n"
    assert command.run(arguments).returncode == COMPLETE


def test_a_second_signal_does_not_wait_for_running_blocks(tmp_path, start):
    """Which would never end, in a grace time that is longer than this test may take."""
    process, _ = at_work(start, tmp_path, stubbed(tmp_path, "cluster.grace_seconds=10000"))
    process.send_signal(signal.SIGINT)
    said(tmp_path, f"SIGINT: {HEEDED}")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert_interrupted(process, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_before_the_first_block_ends_in_exit_code_4_too(number, tmp_path, start):
    gate = Gate(tmp_path)
    process = start(
        stubbed(tmp_path, "cluster.workers=1", "cluster.grace_seconds=1"), tmp_path / "log", **gate.environment
    )
    said(tmp_path, "blocks to compute")
    process.send_signal(number)
    assert_interrupted(process, tmp_path)
