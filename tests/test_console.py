"""What a log and a terminal see of a run while it goes on."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline import console
from pipeline.execution import BlockReport
from pipeline.plan import make_plan
from pipeline.request import define

DAY = 86_400


@pytest.fixture
def passes(monkeypatch):
    """Let so many seconds pass."""
    now = 1000.0

    def more(seconds):
        nonlocal now
        now += float(seconds)

    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    return more


@pytest.fixture
def tally(configure, tmp_path, passes):
    """(workers, workers that compile) → of three points × two blocks, none of which has ended."""
    plan = make_plan(define(configure(tmp_path)), tmp_path / "s.zarr", None, "stop")
    return lambda workers=2, compiling=0: console._Tally(plan, workers, lambda: compiling)


class Waited:
    """An event that is set after so many seconds of the clock of the test."""

    def __init__(self, passes, seconds):
        self.waits, self._passes, self._seconds = [], passes, seconds

    def wait(self, seconds):
        self.waits.append(seconds)
        self._passes(seconds)
        return sum(self.waits) > self._seconds


def block(k, seconds, diverged=0):
    return BlockReport(SimpleNamespace(k=k), "computed", seconds, diverged)


def test_lines_of_a_log_thin_out_and_never_stop(tally, passes, capsys):
    day = Waited(passes, DAY)
    console._in_log(tally(), day)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(day.waits) < 200
    assert day.waits[0] == 5
    assert (np.diff(day.waits) >= 0).all()
    assert day.waits[-1] == 600


def test_a_line_has_a_time_and_says_how_far_the_run_is(tally, capsys):
    run = tally()
    for k in (0, 1, 2):
        run.add(block(k, seconds=2.0, diverged=1))
    console._log(run)
    line = capsys.readouterr().out
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d 3/6 blocks, 50% of the work, 3 s left, 3 diverged\n", line)


def test_a_long_block_is_told_of_and_the_time_left_goes_on(tally, passes):
    run = tally(workers=1)
    run.add(block(0, seconds=100.0))
    before = str(run)
    passes(30)
    assert "no block has ended" not in before
    assert str(run).endswith("0 diverged, no block has ended for 30 s")
    assert "left" in before
    assert before.split(", ")[2] != str(run).split(", ")[2]
    passes(DAY)
    assert ", 0 s left, " in str(run)


def test_before_the_first_block_ends_that_is_told(tally, passes):
    run = tally()
    passes(30)
    assert str(run) == "0/6 blocks, 0 diverged, the first blocks are under way for 30 s"


def test_workers_that_compile_are_told_of(tally, passes):
    run = tally(compiling=2)
    passes(30)
    assert str(run) == "0/6 blocks, 0 diverged, 2 workers compiling"
