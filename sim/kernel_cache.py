"""Compiled kernels, kept on disk between runs.

numba notices an edit only in the file that holds a kernel, not in the modules the kernel calls into. So the
folder is named after a digest of all of `sim`'s sources: after any edit, kernels compile anew.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import njit

from sim.kernel_folder import kernels_root


def _sources_digest() -> str:
    digest = hashlib.blake2b(digest_size=8)
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def _cache_folder() -> Path:
    """Below `kernels_root` or, where that can't be written, a private temporary folder."""
    folder = kernels_root() / f"kernels-{_sources_digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    fallback = Path(tempfile.gettempdir()) / f"autonomous-learning-{os.getuid()}-{_sources_digest()}"
    fallback.mkdir(mode=0o700, exist_ok=True)
    if fallback.stat().st_uid != os.getuid():
        raise PermissionError(f"{fallback}: belongs to another user; set NUMBA_CACHE_DIR to a folder of yours")
    return fallback


_FOLDER = _cache_folder()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with numba, once per machine: without the GIL, cached on disk.

    For kernels outside `sim` too: those are kept where numba is told to, which for a system's module is a folder of
    this version of its code.

    Args:
        function: of arrays and numbers, as numba compiles it.

    Returns:
        The compiled function, with the same arguments.
    """
    previous = numba.config.CACHE_DIR
    if function.__module__.partition(".")[0] == __package__:
        numba.config.CACHE_DIR = str(_FOLDER)  # read while the decorator runs, at no other time
    try:
        compiled: Callable[..., Any] = njit(function, nogil=True, cache=True, error_model="numpy")
        return compiled
    finally:
        numba.config.CACHE_DIR = previous
