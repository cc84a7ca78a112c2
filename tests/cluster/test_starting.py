"""Workers that can't start, and workers that can't load the project: told in a line each, and no loss."""

import os
import signal

import pytest

from pipeline.errors import COMPLETE, INTERRUPTED
from tests import command
from tests.command import stubbed, wait_for, worker_processes

DYING = """
import os, signal, sys
if "--multiprocessing-fork" in sys.orig_argv:
    with open(os.environ["DEATHS"], "a") as file:
        file.write("+")
        dead = file.tell()
    if dead <= int(os.environ["DYING"]):
        os.kill(os.getpid(), signal.SIGKILL)
"""
"""Has the first workers die as their interpreter starts."""


@pytest.fixture
def with_dying_workers(tmp_path):
    """A run whose first so many workers are killed as they start."""

    def run(number):
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "sitecustomize.py").write_text(DYING)
        dying = {"PYTHONPATH": f"{tmp_path / 'site'}", "DEATHS": str(tmp_path / "deaths"), "DYING": str(number)}
        ended = command.run(stubbed(tmp_path), **dying)
        assert len((tmp_path / "deaths").read_text()) >= min(number, 2)
        return ended

    return run


@pytest.mark.parametrize("number", [1, 3])
def test_workers_that_are_killed_as_they_start_are_started_again(number, with_dying_workers):
    ended = with_dying_workers(number)
    assert (ended.returncode, ended.stderr) == (COMPLETE, "")


def test_workers_that_are_killed_whenever_they_start_are_told_in_one_line(with_dying_workers, tmp_path):
    ended = with_dying_workers(1000)
    assert ended.returncode == INTERRUPTED
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        "error: cluster.workers: expected 2 workers that can be started here, got one that ended"
    )
    assert not (tmp_path / "kuramoto_T.zarr").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_processes_while_workers_start_ends_the_run_in_one_line(number, tmp_path, start):
    driver = start(stubbed(tmp_path / "data"), tmp_path / "log")
    wait_for(lambda: worker_processes(driver.pid), "a worker that starts")
    os.killpg(driver.pid, number)
    assert driver.wait(command.PATIENCE) == INTERRUPTED
    announced, *told = (tmp_path / "log").read_text().splitlines()
    assert "6 of 6 blocks to compute" in announced
    assert told == ["error: interrupted; the same command resumes, stored blocks are kept"]
    assert not (tmp_path / "data" / "kuramoto_T.zarr").exists()
