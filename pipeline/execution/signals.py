"""Signals that ask a run to stop."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.errors import BlockError, Damaged, Interrupted, RequestError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OF_THEIR_OWN = (RequestError, Damaged, Interrupted, BlockError, OSError)
"""Errors that are told as what they are, a signal or not."""
_AGAIN_SECONDS = 0.05
_came: list[int] = []
"""The signals that came so far."""


class Stop:
    """Whether and since when a signal asks to stop."""

    def __init__(self) -> None:
        self.requested, self.since = "", 0.0
        self._at_once = False

    def __call__(self, number: int, _: Any) -> None:
        """As a signal handler."""
        _came.append(number)
        if self.requested or self._at_once:
            raise KeyboardInterrupt  # asked twice, or nothing runs: there are no blocks to wait for
        self.requested, self.since = signal.Signals(number).name, time.monotonic()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """While workers are waited for: a signal ends that at once.

        Yields:
            Nothing.

        Raises:
            KeyboardInterrupt: a signal comes, or came before.
        """
        if self.requested:
            raise KeyboardInterrupt
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False


def interrupt_on_signals() -> None:
    """Have every signal that asks to stop raise KeyboardInterrupt, so that what is open is closed, and jobs cancelled.

    Those that are ignored, as by nohup, stay so. One that comes while Python finalizes an object, where it would be
    told and forgotten, comes again a moment later.
    """
    told = sys.unraisablehook

    def come_again(lost: "sys.UnraisableHookArgs") -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt) and _came:
            threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), _came[-1])).start()
        else:
            told(lost)

    sys.unraisablehook = come_again
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _: Any) -> None:
    _came.append(number)
    raise KeyboardInterrupt


@contextmanager
def told_as_interrupted() -> Iterator[None]:
    """Let what a signal ends be interrupted, whatever error became of it: of an import that it ends, an ImportError.

    Yields:
        Nothing.

    Raises:
        KeyboardInterrupt: a signal came, and there was an error that is none of ours.
    """
    before = len(_came)
    try:
        yield
    except Exception as error:
        if len(_came) == before or isinstance(error, _OF_THEIR_OWN):
            raise
        raise KeyboardInterrupt from error


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Note signals that ask to stop instead of dying of them; off the main thread, where there are none, do nothing.

    Yields:
        Whether and since when a signal asks to stop.

    Raises:
        KeyboardInterrupt: a second signal came.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
