"""What a terminal or a batch log sees: lines, faults, progress."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TextIO, cast

from pipeline.execution import BlockReport, Progress
from pipeline.plan import Plan
from pipeline.words import duration

_LOG_SECONDS = 5.0

Update = Callable[[float, int, float, int], None]
"""(share of the work, blocks that ended, seconds left, diverged members)."""


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

    def progress(self, plan: Plan, workers: int) -> AbstractContextManager[Progress]:
        """A live bar on a terminal, a line every few seconds elsewhere.

        Args:
            plan: whose missing blocks are computed.
            workers: how many compute.

        Returns:
            A context that gives a function for every block that ends.
        """
        return _progress(plan, workers)


@contextmanager
def _progress(plan: Plan, workers: int) -> Iterator[Progress]:
    """Blocks as they end, with the time left by their predicted cost."""
    work = plan.block_work.tolist()
    total, blocks = plan.remaining_work, int(plan.missing.sum())
    show = _terminal_bar if sys.stdout.isatty() else _log_lines
    with show(blocks) as update:
        work_done, seconds, count, diverged = 0.0, 0.0, 0, 0

        def ended(report: BlockReport) -> None:
            nonlocal work_done, seconds, count, diverged
            work_done += work[report.job.k]
            seconds += report.seconds
            count += 1
            diverged += report.diverged
            left = (total - work_done) * seconds / (work_done * workers)
            update(work_done / total, count, left, diverged)

        yield ended


@contextmanager
def _log_lines(blocks: int) -> Iterator[Update]:
    last = time.monotonic()

    def update(share: float, ended: int, left: float, diverged: int) -> None:
        nonlocal last
        if time.monotonic() - last > _LOG_SECONDS or ended == blocks:
            last = time.monotonic()
            say(f"{ended}/{blocks} blocks, {share:.0%} of the work, {duration(left)} left, {diverged} diverged")

    yield update


@contextmanager
def _terminal_bar(blocks: int) -> Iterator[Update]:
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    terminal = Terminal(file=cast(TextIO, _Unfailing(sys.stdout)), force_terminal=True)
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %  {task.fields[note]}  elapsed"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=terminal) as bar:
        task = bar.add_task("", total=1.0, note=f"0/{blocks} blocks")

        def update(share: float, ended: int, left: float, diverged: int) -> None:
            note = f"{ended}/{blocks} blocks, {diverged} diverged, {duration(left)} left"
            bar.update(task, completed=share, note=note)

        yield update
