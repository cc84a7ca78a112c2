"""The folder in which compiled kernels are kept between runs."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_NAME = "autonomous-learning"


def kernel_folder(key: str) -> Path | None:
    """A folder that can be written for the kernels of some code.

    It is `autonomous-learning/kernels-<key>` in `$NUMBA_CACHE_DIR`, in `$XDG_CACHE_HOME` or in the user's cache folder
    or, where none of these can be written, in a private folder for temporary files.

    Args:
        key: tells the versions of the code apart.

    Returns:
        The folder, made if needed; None if there is no place for it.
    """
    for root in _roots():
        folder = root / f"kernels-{key}"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            return folder
    return None


def _roots() -> Iterator[Path]:
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and _NAME in (parts := Path(chosen).parts):  # a driver or another system chose it
        yield Path(*parts[: parts.index(_NAME) + 1])
    else:
        with suppress(RuntimeError):  # no HOME, and a user whom the machine does not know
            yield Path(chosen or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _NAME
    with suppress(OSError):
        private = Path(tempfile.gettempdir()) / f"{_NAME}-{os.getuid()}"
        private.mkdir(mode=0o700, exist_ok=True)
        if private.stat().st_uid == os.getuid() and not private.is_symlink():  # what others put there would be run
            yield private
