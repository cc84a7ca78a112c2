"""Signals that ask a run to stop."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Whether and since when a signal asks to stop."""

    def __init__(self) -> None:
        self.requested, self.since = "", 0.0
        self._at_once = False

    def __call__(self, number: int, _: Any) -> None:
        """As a signal handler."""
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

    Those that are ignored, as by nohup, stay so.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


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
