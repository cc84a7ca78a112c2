"""The clock of a block: time goes on as these tests say, and compiling is not in it."""

import faulthandler
import subprocess
import sys
import threading
import time

import numba
import pytest
from numba.extending import overload

from pipeline.execution import clock
from pipeline.execution.clock import block_clock
from tests.command import ROOT

COMPUTING, COMPILING, LIMIT = 1.0, 100.0, 10.0


@pytest.fixture
def passes(monkeypatch):
    """Let so many seconds pass."""
    now = 0.0

    def more(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr(clock.time, "perf_counter", lambda: now)
    return more


@pytest.fixture
def kernel(passes):
    """A kernel that is not compiled yet, which calls another one. Both take long to compile."""

    def slow_to_compile():
        raise NotImplementedError

    @overload(slow_to_compile)
    def _compiled():
        passes(COMPILING)
        return lambda: 1

    @numba.njit
    def inner():
        return slow_to_compile()

    @numba.njit
    def outer():
        return inner() + slow_to_compile()

    return outer


@pytest.fixture
def armed(monkeypatch):
    """What is asked of faulthandler: seconds, or None to give up what was asked before."""
    asked = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda seconds, **_: asked.append(seconds))
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: asked.append(None))
    return asked


def test_time_of_computing_is_counted_and_that_of_compiling_is_not(passes, kernel, tmp_path):
    before = time.perf_counter()
    with block_clock(None, tmp_path / "note") as first:
        passes(COMPUTING)
        assert kernel() == 2
        passes(COMPUTING)
    assert time.perf_counter() - before >= 2 * COMPUTING + COMPILING
    assert first.seconds == 2 * COMPUTING
    with block_clock(None, tmp_path / "note") as second:
        assert kernel() == 2
        passes(COMPUTING)
    assert second.seconds == COMPUTING


def test_a_kernel_that_cannot_be_compiled_leaves_the_clock_going(passes, tmp_path):
    @numba.njit
    def wrong():
        return 1 + "a"

    with block_clock(None, tmp_path / "note") as timed:
        with pytest.raises(numba.TypingError):
            wrong()
        passes(COMPUTING)
    assert timed.seconds == COMPUTING


def test_what_another_thread_compiles_is_no_pause_of_this_one(passes, kernel, tmp_path):
    with block_clock(None, tmp_path / "note") as timed:
        other = threading.Thread(target=kernel)
        other.start()
        other.join()
    assert timed.seconds >= COMPILING


def test_the_limit_of_a_block_waits_while_a_kernel_is_compiled(passes, kernel, armed, tmp_path):
    with block_clock(LIMIT, tmp_path / "note"):
        passes(COMPUTING)
        kernel()
        passes(COMPUTING)
        assert (tmp_path / "note").exists()
    waiting = [seconds for seconds in armed if seconds is not None]
    assert waiting[0] == LIMIT
    assert set(waiting[1:]) == {LIMIT - COMPUTING}
    assert armed[1::2] == [None] * (len(armed) // 2)
    assert armed[-1] is None
    assert not (tmp_path / "note").exists()


def test_a_block_without_a_limit_leaves_no_note_and_nothing_armed(armed, tmp_path):
    with block_clock(None, tmp_path / "note"):
        assert not (tmp_path / "note").exists()
    assert armed == []


LOADING = """
import sys, time
from pathlib import Path
from pipeline.execution.clock import block_clock, compiling_here, tell_of_compiling

assert "numba" not in sys.modules
told = []
tell_of_compiling(told.append)
began = time.perf_counter()
with block_clock(None, Path("note")) as clock:
    import numba
    numba.njit(lambda x: x + 1)(1)
assert clock.seconds < 0.2 * (time.perf_counter() - began), clock.seconds
assert told[:2] == [1, 0] and len(told) >= 4 and compiling_here() == 0, told
"""


def test_loading_numba_and_what_it_compiles_then_are_no_time_of_a_block():
    subprocess.run([sys.executable, "-c", LOADING], cwd=ROOT, check=True)
