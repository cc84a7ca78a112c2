"""Kill anything at any time: the same command completes the store, and nothing stored is computed twice."""

import os
import random
import re
import signal
import time

import pytest

from pipeline.errors import COMPLETE, CONFIG_WRONG, INTERRUPTED
from pipeline.request import define
from tests import command
from tests.command import STUB, alive, tiny, wait_for, worker_processes
from tests.contents import block_bytes, block_files, fill, stored_blocks

BLOCKS = 30
LONG = ("axes.T.values=[20,21,22,23,24,25,26,27,28,29]", "ensemble.members=24", "settings.iterations=8000")
"""Ten points × three blocks of a quarter of a second."""
KILLS = 4
"""Times that one sweep is killed before it may end."""
MOST_SECONDS_TO_DIE = 10
ROUNDS = range(int(os.environ.get("TORTURE_ROUNDS", "1")))
"""`make torture` sets more: each kills drivers and workers sixteen times, at moments of its own."""


@pytest.fixture(scope="module")
def undisturbed(configure, tmp_path_factory):
    """The bytes of the long sweep's blocks, computed in this process."""
    config = configure(tmp_path_factory.mktemp("undisturbed"), *LONG)
    fill(define(config), config.store.path)
    return block_bytes(config.store.path)


def files_of(blocks, files):
    """The files of some blocks."""
    chunks = {f"/c/{point}/{block}" for point, block in blocks}
    return {name: file for name, file in files.items() if re.search(r"/c/\d+/\d+", name)[0] in chunks}


def kill(process, workers):
    """Kill a driver, some workers, or both, the workers first; wait until nothing of the driver is left."""
    everyone = worker_processes(process.pid)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    wait_for(lambda: not alive(everyone), "the end of the workers of a killed driver")


@pytest.mark.parametrize("seed", [100 * turn + 1 for turn in ROUNDS])
@pytest.mark.parametrize("killed", ["driver", "driver and worker"])
def test_a_killed_sweep_is_completed_by_the_same_command(killed, seed, tmp_path, start, undisturbed):
    """Killed again and again at random moments: while nothing, some or most of it is stored."""
    path, arguments = tmp_path / "kuramoto_T.zarr", tiny(tmp_path, *LONG)
    rng = random.Random(f"{killed} {seed}")
    kept = {}
    for _ in range(KILLS):
        enough = len(stored_blocks(path)) + 1  # workers may have stored some after their driver had died
        process = start(arguments, tmp_path / "log")
        wait_for(lambda: len(stored_blocks(path)) >= enough, f"{enough} blocks")  # noqa: B023
        time.sleep(rng.uniform(0, 0.25))
        workers = worker_processes(process.pid)
        assert len(workers) == 2
        done = stored_blocks(path)
        kept |= files_of(done, block_files(path))
        assert process.poll() is None
        kill(process, workers[:1] if killed == "driver and worker" else [])
        assert enough <= len(done) < BLOCKS
        now = block_files(path)
        assert {name: now[name] for name in kept} == kept
    assert command.run(arguments).returncode == COMPLETE
    assert block_bytes(path) == undisturbed
    now = block_files(path)
    assert {name: now[name] for name in kept} == kept


@pytest.mark.parametrize("seed", [100 * turn + 4 for turn in ROUNDS])
def test_a_driver_killed_while_it_starts_leaves_what_the_same_command_completes(seed, tmp_path, start, main):
    """At random moments between the start of the process and the first blocks."""
    path, arguments = tmp_path / "kuramoto_T.zarr", tiny(tmp_path)
    rng = random.Random(seed)
    for _ in range(KILLS):
        process = start(arguments, tmp_path / "log")
        time.sleep(rng.uniform(0.3, 2.5))
        kill(process, [])
    assert main([*arguments, "action=status"]).code in (COMPLETE, INTERRUPTED)
    assert command.run(arguments).returncode == COMPLETE
    assert len(stored_blocks(path)) == 6
    assert main([*arguments, "action=status"]).code == COMPLETE
    assert [left.name for left in tmp_path.glob("*.creating-*")] == []


@pytest.mark.parametrize("seed", [100 * turn + 3 for turn in ROUNDS])
def test_a_sweep_completes_though_its_workers_are_killed_all_along(seed, tmp_path, start, undisturbed):
    path = tmp_path / "kuramoto_T.zarr"
    rng = random.Random(seed)
    process = start(tiny(tmp_path, *LONG), tmp_path / "log")
    kept, killed = {}, set()
    for enough in sorted(rng.sample(range(1, BLOCKS - 10), KILLS)):
        wait_for(lambda: len(stored_blocks(path)) >= enough, f"{enough} blocks")  # noqa: B023
        time.sleep(rng.uniform(0, 0.25))
        workers = wait_for(lambda: worker_processes(process.pid), "a worker")
        kept |= files_of(stored_blocks(path), block_files(path))
        assert process.poll() is None
        victim = rng.choice(sorted(workers))
        os.kill(victim, signal.SIGKILL)
        killed.add(victim)
    assert process.wait(command.PATIENCE) == COMPLETE
    assert len(killed) == KILLS
    assert block_bytes(path) == undisturbed
    now = block_files(path)
    assert {name: now[name] for name in kept} == kept


def test_no_worker_outlives_its_killed_driver(tmp_path, start):
    process = start(
        tiny(tmp_path), tmp_path / "log", module=STUB, BLOCK_LOG=str(tmp_path / "blocks"), BLOCK_SECONDS="2"
    )
    wait_for((tmp_path / "blocks").exists, "the start of a block")
    workers = worker_processes(process.pid)
    assert len(workers) == 2
    process.kill()
    process.wait()
    killed = time.monotonic()
    wait_for(lambda: not alive(workers), "the end of the workers")
    assert time.monotonic() - killed < MOST_SECONDS_TO_DIE


# --- signals ------------------------------------------------------------------------------------------------


def signalled(start, root, number, whole_group, seconds, *overrides):
    """Signal a driver whose blocks have begun: (exit code, output, seconds until its end, blocks begun)."""
    log, blocks = root / "log", root / "blocks"
    blocks.unlink(missing_ok=True)
    process = start(tiny(root, *overrides), log, module=STUB, BLOCK_LOG=str(blocks), BLOCK_SECONDS=str(seconds))
    wait_for(lambda: blocks.exists() and len(blocks.read_text().splitlines()) >= 2, "the start of two blocks")
    sent = time.monotonic()
    (os.killpg if whole_group else os.kill)(process.pid, number)
    code = process.wait(command.PATIENCE)
    ended = time.monotonic() - sent
    begun = {
        (int(float(T)) - 1, int(member) // 8) for T, member in map(str.split, blocks.read_text().splitlines())
    }
    return code, log.read_text(), ended, begun


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGTERM, True)],
)
def test_a_signal_lets_running_blocks_finish_and_the_same_command_resumes(
    number, whole_group, tmp_path, start, main
):
    path = tmp_path / "kuramoto_T.zarr"
    code, output, ended, begun = signalled(start, tmp_path, number, whole_group, 1.0)
    assert code == INTERRUPTED, output
    assert f"interrupted ({number.name}); the same command resumes" in output
    assert "Traceback" not in output
    assert ended < 20
    assert stored_blocks(path) == begun
    assert len(begun) < 6
    kept = files_of(begun, block_files(path))
    status = main(tiny(tmp_path, "action=status"))
    assert status.code == INTERRUPTED
    assert f"{len(begun)} of 6 blocks" in status.out
    assert "interrupted" in status.out
    assert command.run(tiny(tmp_path)).returncode == COMPLETE
    now = block_files(path)
    assert len(stored_blocks(path)) == 6
    assert {name: now[name] for name in kept} == kept


def test_blocks_longer_than_the_grace_time_are_given_up(tmp_path, start):
    code, output, ended, begun = signalled(start, tmp_path, signal.SIGTERM, False, 40, "cluster.grace_seconds=1")
    assert code == INTERRUPTED, output
    assert "the same command resumes" in output
    assert 1 <= ended < 20
    assert len(begun) == 2
    assert stored_blocks(tmp_path / "kuramoto_T.zarr") == set()


def test_a_second_signal_does_not_wait_for_running_blocks(tmp_path, start):
    log, blocks = tmp_path / "log", tmp_path / "blocks"
    process = start(tiny(tmp_path), log, module=STUB, BLOCK_LOG=str(blocks), BLOCK_SECONDS="40")
    wait_for(blocks.exists, "the start of a block")
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(command.PATIENCE) == INTERRUPTED
    assert time.monotonic() - sent < 20
    assert "the same command resumes" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_block_ends_in_exit_code_4_too(number, tmp_path, start):
    log = tmp_path / "log"
    process = start(tiny(tmp_path), log)
    wait_for(lambda: "blocks to compute" in log.read_text(), "the end of planning")
    process.send_signal(number)
    assert process.wait(command.PATIENCE) == INTERRUPTED, log.read_text()
    assert "the same command resumes" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_signal_ends_a_run_of_several_sweeps(tmp_path, start):
    """The second of two stores is not begun."""
    log, blocks = tmp_path / "log", tmp_path / "blocks"
    several = ["-m", *tiny(tmp_path), "ensemble.seed=1,2", "store.name=seed${ensemble.seed}"]
    process = start(several, log, module=STUB, BLOCK_LOG=str(blocks), BLOCK_SECONDS="1")
    wait_for(blocks.exists, "the start of a block")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(command.PATIENCE) == INTERRUPTED, log.read_text()
    assert "the same command resumes" in log.read_text()
    assert not (tmp_path / "seed2.zarr").exists()


# --- one driver a store -------------------------------------------------------------------------------------


def test_a_second_driver_is_refused_and_told_of_the_first(tmp_path, start, main):
    blocks = tmp_path / "blocks"
    process = start(tiny(tmp_path), tmp_path / "log", module=STUB, BLOCK_LOG=str(blocks), BLOCK_SECONDS="1")
    wait_for(blocks.exists, "the start of a block")
    second = command.run(tiny(tmp_path))
    assert second.returncode == CONFIG_WRONG
    (line,) = second.stderr.splitlines()
    assert "another driver is at work" in line
    assert f"process {process.pid} " in line
    status = main(tiny(tmp_path, "action=status"))
    assert status.code == INTERRUPTED
    assert "running now" in status.out
    process.kill()
    process.wait()
    status = main(tiny(tmp_path, "action=status"))
    assert "killed; the same command resumes" in status.out
