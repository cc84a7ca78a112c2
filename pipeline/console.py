"""What a terminal or a batch log sees: lines, faults, progress."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from typing import Any, TextIO, cast

import numpy as np

from pipeline.execution import BlockReport, Progress
from pipeline.plan import Plan
from pipeline.words import counted, duration

_BAR_SECONDS, _LOG_SECONDS, _MOST_LOG_SECONDS, _LOG_SHARE = 0.5, 5.0, 600.0, 0.1
"""Between two updates of a bar; between two lines of a log: at least, at most, and as a share of the run so far."""
_QUIET_SECONDS = 10.0
"""Without a block that ended, after which that is told."""


def say(line: str = "") -> None:
    """Print a line at once, also into a pipe."""
    _print(line, sys.stdout)


def complain(lines: Iterable[str]) -> None:
    """Print faults to stderr, one a line."""
    for line in lines:
        _print(f"error: {line}", sys.stderr)


def _print(line: str, file: TextIO | None) -> None:
    """Print a line; what the terminal's encoding has no sign for, or a file's name no meaning, is a question mark."""
    if file is not None:
        encoding = getattr(file, "encoding", None) or "utf-8"
        _Unfailing(file).write(f"{line.encode(encoding, errors='replace').decode(encoding)}\n")
        _Unfailing(file).flush()


class _Unfailing:
    """A stream to which nothing can fail to be written: that nobody reads, or a log's disk is full, ends no run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_closed_streams() -> None:
    """Put nothing in the place of standard streams that are closed, lest a store's file gets their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (as long as the process)


def flush_streams() -> None:
    """Write what is left to write, as far as that is possible."""
    for stream in (sys.stdout, sys.stderr):
        _Unfailing(stream).flush()


class Console:
    """Tells of a run on this terminal, or in this log."""

    def say(self, line: str) -> None:
        """A line of what happens."""
        say(line)

    def complain(self, line: str) -> None:
        """A line of what is wrong."""
        complain([line])

    def progress(self, plan: Plan, workers: int, compiling: Callable[[], int]) -> AbstractContextManager[Progress]:
        """A live bar on a terminal, a line now and then elsewhere.

        Args:
            plan: whose missing blocks are computed.
            workers: how many compute.
            compiling: says how many of them compile at the moment.

        Returns:
            A context that gives a function for every block that ends.
        """
        return _progress(plan, workers, compiling)


class _Tally:
    """How far a run is, by the blocks that ended.

    Args:
        plan: whose missing blocks are computed.
        workers: how many compute.
        compiling: says how many of them compile at the moment.
    """

    def __init__(self, plan: Plan, workers: int, compiling: Callable[[], int]) -> None:
        self._work, self._total = plan.block_work.tolist(), plan.remaining_work
        self._workers, self._compiling = workers, compiling
        self.blocks, self.ended, self.diverged = int(plan.missing.sum()), 0, 0
        self._done, self._seconds, self._last = 0.0, 0.0, time.monotonic()

    def add(self, report: BlockReport) -> None:
        """Enter a block that ended."""
        self._done += self._work[report.job.k]
        self._seconds += report.seconds
        self.ended += 1
        self.diverged += report.diverged
        self._last = time.monotonic()

    @property
    def share(self) -> float:
        """Of the work that is done."""
        return self._done / self._total

    def __str__(self) -> str:
        quiet = time.monotonic() - self._last
        parts = [f"{self.ended}/{self.blocks} blocks"]
        if self.ended:
            left = (self._total - self._done) * self._seconds / (self._done * self._workers)
            parts += [f"{self.share:.0%} of the work", f"{duration(max(left - quiet, 0))} left"]
        parts.append(f"{self.diverged} diverged")
        if count := self._compiling():
            parts.append(f"{counted(count, 'worker')} compiling")
        elif quiet > _QUIET_SECONDS:
            none = "no block has ended for" if self.ended else "the first blocks are under way for"
            parts.append(f"{none} {duration(quiet)}")
        return ", ".join(parts)


@contextmanager
def _progress(plan: Plan, workers: int, compiling: Callable[[], int]) -> Iterator[Progress]:
    """Blocks as they end; a thread tells of them, also while one takes long."""
    tally, ended = _Tally(plan, workers, compiling), threading.Event()
    tell = _on_terminal if sys.stdout.isatty() else _in_log
    teller = threading.Thread(target=tell, args=(tally, ended), daemon=True)
    teller.start()
    try:
        yield tally.add
    finally:
        ended.set()
        teller.join()


def _in_log(tally: _Tally, ended: threading.Event) -> None:
    """A line now and then, the longer a run takes the more rarely, and one at its end."""
    began = time.monotonic()
    while not ended.wait(np.clip(_LOG_SHARE * (time.monotonic() - began), _LOG_SECONDS, _MOST_LOG_SECONDS)):
        _log(tally)
    _log(tally)


def _log(tally: _Tally) -> None:
    say(f"{datetime.now():%Y-%m-%d %H:%M:%S} {tally}")


def _on_terminal(tally: _Tally, ended: threading.Event) -> None:
    """A live bar."""
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    terminal = Terminal(file=cast(TextIO, _Unfailing(sys.stdout)), force_terminal=True)
    with Progress(
        BarColumn(), TextColumn("{task.fields[note]}, elapsed"), TimeElapsedColumn(), console=terminal
    ) as bar:
        task = bar.add_task("", total=1.0, note=str(tally))
        while not ended.wait(_BAR_SECONDS):
            bar.update(task, completed=tally.share, note=str(tally))
        bar.update(task, completed=tally.share, note=str(tally))
