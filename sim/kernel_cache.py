"""Compiled kernels, kept on disk between runs.

numba notices an edit only in the file that holds a kernel, not in the modules the kernel calls into. So the
folder is named after a digest of all of `sim`'s sources: after any edit, kernels compile anew.

What is kept is a convenience: a kernel whose files are damaged, or can't be written, is compiled once more.
"""

import hashlib
import io
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

from sim.kernel_folder import kernel_folder

_DIGEST_SIZE = 16
_told: set[str] = set()


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_SIZE).digest()


def _sources_digest() -> str:
    digest = hashlib.blake2b(digest_size=8)
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


_FOLDER = kernel_folder(_sources_digest())


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
    is_ours = function.__module__.partition(".")[0] == __package__
    if is_ours:
        numba.config.CACHE_DIR = str(_FOLDER)  # read while the decorator runs, at no other time
    try:
        return _compiled(function, cache=not is_ours or _FOLDER is not None)
    finally:
        numba.config.CACHE_DIR = previous


def _compiled(function: Callable[..., Any], cache: bool) -> Callable[..., Any]:
    try:
        compiled: Callable[..., Any] = njit(function, nogil=True, cache=cache, error_model="numpy")
    except (OSError, RuntimeError) as error:  # no place to keep it
        if not cache:
            raise
        _tell(error)
        return _compiled(function, cache=False)
    _forgive(compiled)
    return compiled


def forgive_caches_of(module: ModuleType) -> None:
    """Let whatever is wrong with what is kept of a module's kernels be discarded, where numba would raise.

    Args:
        module: whose kernels are compiled by plain `numba.njit(cache=True)`.
    """
    for value in list(vars(module).values()):
        _forgive(value)


def _forgive(compiled: Any) -> None:
    cache: Any = getattr(compiled, "_cache", None)
    if type(cache) is FunctionCache:
        cache.__class__ = _ForgivingCache
        cache._cache_file.__class__ = _CheckedFiles


def _tell(error: Exception) -> None:
    """Say what is wrong, once a process."""
    what = f"{type(error).__name__}: {error}"
    if not _told:
        logging.getLogger(__name__).warning("compiled kernels are not kept, or compiled anew: %s", what)
    _told.add(what)


class _ForgivingCache(FunctionCache):  # type: ignore[misc]
    """What numba keeps of a kernel."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel as it was kept; None if it is to be compiled."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # pickle raises almost anything
            _tell(error)
            with suppress(OSError):
                os.unlink(self._cache_file._index_path)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the kernel, if that is possible."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _tell(error)


class _CheckedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """Files that end in a digest of their content: a damaged one might compute something else."""

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        content = io.BytesIO()
        yield content
        with super()._open_for_write(filepath) as file:
            file.write(content.getvalue() + _digest(content.getvalue()))

    def _load_index(self) -> Any:
        self._check(self._index_path)
        return super()._load_index()

    def _load_data(self, name: str) -> Any:
        self._check(self._data_path(name))
        return super()._load_data(name)

    def _check(self, path: str) -> None:
        with suppress(FileNotFoundError):
            content = Path(path).read_bytes()
            if _digest(content[:-_DIGEST_SIZE]) != content[-_DIGEST_SIZE:]:
                raise ValueError(f"{path}: damaged")
