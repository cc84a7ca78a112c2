"""The clock of a block: it stops while numba compiles, and ends the process of a block that takes too long."""

import faulthandler
import functools
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from pipeline.errors import BlockError

_COMPILING = "numba:compiler_lock"
"""Held while a kernel is loaded from numba's cache, compiled and saved there; "numba:compile" is the middle alone."""
_SHORTEST_SECONDS = 1e-3
"""What is left of its limit to a block that used all of it as numba began to compile."""
_here = threading.local()
"""`clock`: of the block that this thread computes."""


class Clock:
    """Seconds of a block so far, those of compiling left out.

    Args:
        limit: seconds after which this process is ended; None: none.
        note: gets the line that every thread is at then.
    """

    def __init__(self, limit: float | None, note: IO[str] | None) -> None:
        self.seconds = 0.0
        self._limit, self._note = limit, note
        self._since, self._depth = 0.0, 0  # compiling one kernel compiles those that it calls

    def go(self) -> None:
        """Run, or run on."""
        if self._limit is not None:
            left = max(self._limit - self.seconds, _SHORTEST_SECONDS)
            faulthandler.dump_traceback_later(left, exit=True, file=self._note)  # type: ignore[arg-type]
        self._since = time.perf_counter()

    def halt(self) -> None:
        """Stop until it is to run on."""
        self.seconds += time.perf_counter() - self._since
        if self._limit is not None:
            faulthandler.cancel_dump_traceback_later()

    def compiling(self, begins: bool) -> None:
        """Stop as the compiler begins, run on as it ends.

        Args:
            begins: which of the two.
        """
        if begins:
            self._depth += 1
            if self._depth == 1:
                self.halt()
        elif self._depth:
            self._depth -= 1
            if self._depth == 0:
                self.go()

    def end(self) -> None:
        """Stop for good."""
        if self._depth == 0:
            self.halt()


@contextmanager
def block_clock(limit: float | None, note: Path) -> Iterator[Clock]:
    """Time what is done in a context, and end this process if that takes longer than it may.

    A process that is ended leaves a note of the line it was at. Where numba is loaded in the context only, what it
    compiles there is counted, as is what other compilers do.

    Args:
        limit: in seconds; None: none.
        note: file for the note.

    Yields:
        The clock.

    Raises:
        BlockError: there is such a note already.
    """
    if limit is not None and note.exists() and (where := _last_line(note.read_text())):
        raise BlockError(
            f"{where}: expected a block within limits.block_seconds = {limit:g}, was ended after that"
        )
    if "numba.core.event" in sys.modules:
        _listen()
    with note.open("w") if limit is not None else nullcontext() as file:
        _here.clock = clock = Clock(limit, file)
        clock.go()
        try:
            yield clock
        finally:
            clock.end()
            _here.clock = None
    if limit is not None:
        note.unlink()


class _Listener:
    """Tells the clock of the thread that compiles; the others' go on."""

    def notify(self, event: Any) -> None:
        if clock := getattr(_here, "clock", None):
            clock.compiling(begins=event.is_start)


@functools.cache
def _listen() -> None:
    """Have numba say when it compiles, from now on."""
    from numba.core import event

    event.Listener.register(_Listener)  # as a subclass: its own class has no types
    event.register(_COMPILING, _Listener())


def _last_line(traceback: str) -> str:
    """Where the thread that computed was, by what `faulthandler` wrote of all threads; empty if it wrote nothing."""
    for thread in traceback.split("\n\n"):
        frames = re.findall(r'File "(.+)", line (\d+) in (\S+)', thread)
        if any(function == "compute_members" for *_, function in frames):
            calls = [frame for frame in frames if "site-packages" not in frame[0]]
            file, line, function = (calls or frames)[0]
            return f"{file}, line {line}, in {function}"
    return ""
