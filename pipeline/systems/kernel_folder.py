"""Where numba keeps the compiled kernels of a user's system: a folder for every version of its code.

numba notices an edit only in the file that holds a kernel, not in what the kernel calls. With a folder for each code
digest, plain `@njit(cache=True)` is never answered by a stale kernel.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.kernel_folder import kernel_folder

_VARIABLE = "NUMBA_CACHE_DIR"
_one_at_a_time = threading.RLock()
"""The folder is a setting of the whole process: threads that use it take turns."""


@contextmanager
def kernels_kept_by(key: str) -> Iterator[None]:
    """Keep kernels that are decorated meanwhile in the folder of a key.

    Args:
        key: name and code digest of a system.
    """
    with _one_at_a_time:
        folder = kernel_folder(key)
        yield from _kept_in(folder) if folder else (None,)


def _kept_in(folder: Path) -> Iterator[None]:
    before, told = os.environ.get(_VARIABLE), _told_to_numba()
    os.environ[_VARIABLE] = str(folder)
    _tell_numba(str(folder))
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
        _tell_numba((before or "") if told is None else told)


def _told_to_numba() -> str | None:
    """numba's own setting, which a program may have changed; None if it is not imported yet."""
    return str(sys.modules["numba"].config.CACHE_DIR) if "numba" in sys.modules else None


def _tell_numba(folder: str) -> None:
    """numba reads the variable as it is imported, and its own setting from then on."""
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder
