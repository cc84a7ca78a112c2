"""Workers that can't start, and workers that can't load the project: told in a line each, and no loss."""

import pytest

from pipeline.errors import COMPLETE, INTERRUPTED
from tests import command
from tests.command import stubbed

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
    assert line.startswith("error: cluster.workers: expected 2 workers that can be started here, got: ")
    assert not (tmp_path / "kuramoto_T.zarr").exists()
