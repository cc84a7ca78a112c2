"""The folder below which compiled kernels are kept between runs."""

import os
from pathlib import Path

_NAME = "autonomous-learning"


def kernels_root() -> Path:
    """`autonomous-learning` in `$NUMBA_CACHE_DIR`, in `$XDG_CACHE_HOME` or in the user's cache folder.

    Where $NUMBA_CACHE_DIR lies in such a folder already, that is it.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and _NAME in Path(chosen).parts:
        parts = Path(chosen).parts
        return Path(*parts[: parts.index(_NAME) + 1])
    return Path(chosen or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _NAME
