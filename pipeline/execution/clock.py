"""The clock of a block: it stops while numba compiles, and ends the process of a block that takes too long."""

import faulthandler
import functools
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from pipeline.errors import BlockError

_COMPILING = "numba:compiler_lock"
"""Held while a kernel is loaded from numba's cache, compiled and saved there; "numba:compile" is the middle alone."""
_SHORTEST_SECONDS = 1e-3
"""What is left of its limit to a block that used all of it as numba began to compile."""
_here = threading.local()
"""`clock`: of the block that this thread computes."""
_compiling: set[int] = set()
"""Threads that compile for a block."""
_told: list[Callable[[int], Any]] = []
"""Functions that are told how many threads of this process compile."""


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
                _note_compiling(True)
        elif self._depth:
            self._depth -= 1
            if self._depth == 0:
                _note_compiling(False)
                self.go()

    def end(self) -> None:
        """Stop for good."""
        if self._depth == 0:
            self.halt()


def compiling_here() -> int:
    """How many threads of this process compile for a block at the moment."""
    return len(_compiling)


def tell_of_compiling(told: Callable[[int], Any]) -> None:
    """Have a function be told whenever `compiling_here` changes, in place of the one that was told before.

    Args:
        told: gets the number.
    """
    _told[:] = [told]


def _note_compiling(begins: bool) -> None:
    (_compiling.add if begins else _compiling.discard)(threading.get_ident())
    for told in _told:
        told(len(_compiling))


@contextmanager
def block_clock(limit: float | None, note: Path) -> Iterator[Clock]:
    """Time what is done in a context, and end this process if that takes longer than it may.

    A process that is ended leaves a note of the line it was at. What numba compiles is left out, as is loading numba;
    what other compilers do is counted.

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
    """Have numba say when it compiles, from now on, or once it is loaded; a model may not need it."""
    if "numba" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _Loading())


def _register() -> None:
    from numba.core import event

    event.Listener.register(_Listener)  # as a subclass: its own class has no types
    event.register(_COMPILING, _Listener())


class _Loading(MetaPathFinder):
    """Notices that numba is loaded, which takes about as long as to compile a kernel."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """The way to load numba that others know, told to the clock; of other modules nothing."""
        if name != "numba":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_listen(module: ModuleType) -> None:
                with _halted():
                    load(module)
                    _register()

            spec.loader.exec_module = load_and_listen  # type: ignore[method-assign]
        return spec


@contextmanager
def _halted() -> Iterator[None]:
    """The clock of this thread's block, if it computes one, stopped as for compiling."""
    clock: Clock | None = getattr(_here, "clock", None)
    if clock is None:
        yield
        return
    clock.compiling(begins=True)
    try:
        yield
    finally:
        clock.compiling(begins=False)


def _last_line(traceback: str) -> str:
    """Where the thread that computed was, by what `faulthandler` wrote of all threads; empty if it wrote nothing."""
    for thread in traceback.split("\n\n"):
        frames = re.findall(r'File "(.+)", line (\d+) in (\S+)', thread)
        if any(function == "compute_members" for *_, function in frames):
            calls = [frame for frame in frames if "site-packages" not in frame[0]]
            file, line, function = (calls or frames)[0]
            return f"{file}, line {line}, in {function}"
    return ""
