"""One driver per store: a lock the operating system takes back from a dead driver by itself."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pipeline.errors import Interrupted, RequestError

_MOMENT = 0.1  # seconds


@contextmanager
def only_driver(store: Path) -> Iterator[bool]:
    """Hold the store's lock file, `<store>.lock`, for the time of a run.

    Args:
        store: folder of the store, which need not be there yet.

    Yields:
        Whether an earlier driver died: one that ends in order leaves the file empty.

    Raises:
        Interrupted: another process holds the lock; it is named.
        RequestError: the folder can't be written.
    """
    path = _lock_file(store)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise RequestError(
            [f"{path}: expected a folder that can be written, got: {error}; set store.root"]
        ) from error
    with file:
        try:
            _lock(file)
        except BlockingIOError:
            file.seek(0)
            raise Interrupted(
                f"{store}: another driver is at work on it ({_described(file.read())}); wait for it"
            ) from None
        file.seek(0)
        died = bool(file.read())
        file.truncate(0)
        json.dump({"host": socket.gethostname(), "pid": os.getpid(), "since": datetime.now(UTC).isoformat()}, file)
        file.flush()
        yield died
        file.truncate(0)


def _lock(file: TextIO) -> None:
    """Lock a file for oneself. Who asks whether it is locked holds it for a moment, so try twice."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_MOMENT)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_driven(store: Path) -> bool:
    """Whether a driver is at work on a store now.

    Args:
        store: folder of the store.

    Returns:
        True if its lock is held.
    """
    try:
        with _lock_file(store).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _lock_file(store: Path) -> Path:
    return store.with_name(f"{store.name}.lock")


def _described(content: str) -> str:
    try:
        holder = json.loads(content)
        age = datetime.now(UTC) - datetime.fromisoformat(holder["since"])
        return f"process {holder['pid']} on {holder['host']}, for {age.total_seconds():.0f} s"
    except (ValueError, KeyError):
        return "just started"
