"""Systems by name: `find("kuramoto")` is `SYSTEM` of `pipeline.systems.kuramoto`, else of the module of that name."""

import functools
import importlib
import importlib.util
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from pipeline.digest import as_hex
from pipeline.errors import RequestError
from pipeline.systems.code_version import code_version, digest_of_version, modules_searched
from pipeline.systems.interface import System
from pipeline.systems.kernel_folder import kernels_kept_by
from pipeline.words import one_line

_OURS = __package__
_LIBRARIES = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")})
"""Folders of code that nobody edits while it is in use."""
_SHOWN = 300
"""Characters of an error's own message that are kept."""
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class Loaded(NamedTuple):
    """A system and the code it was imported with: what computes now, whatever its files say since."""

    system: System
    version: dict[str, str]
    """The definitions that its numbers depend on: name → digest."""
    digest: int
    """One 64-bit number for `version`."""


_loaded: dict[str, Loaded] = {}


def search_in(folders: Iterable[str]) -> None:
    """Let systems be found in more folders. They go to the end of the path, so that they hide no library.

    Args:
        folders: paths, absolute, as the working directory may change.
    """
    for folder in folders:
        if folder not in sys.path:
            sys.path.append(folder)
            importlib.invalidate_caches()


def find(name: str) -> System:
    """The system of a name, as its files are now: one that was edited since it was imported is imported again.

    Args:
        name: of a system of this package, or of a module.

    Returns:
        The module's SYSTEM.

    Raises:
        RequestError: there is no such module, it can't be read or imported, or it assigns no SYSTEM.
    """
    module = module_name(name)
    if module.startswith(f"{_OURS}."):  # of this program, whose files don't change while it runs
        return _system_in(importlib.import_module(module))
    version = _version(module)
    if name not in _loaded or _loaded[name].version != version:
        _load(name, module, version)
    return _loaded[name].system


def loaded(name: str) -> Loaded:
    """A system and its code, as they were imported by this process.

    Args:
        name: as of `find`.

    Returns:
        The system, its code version and the digest of that.

    Raises:
        RequestError: as `find` does.
    """
    if name not in _loaded:
        system = find(name)
        if name not in _loaded:
            version = _version(module_name(name))
            _loaded[name] = Loaded(system, version, digest_of_version(version))
    return _loaded[name]


def module_name(name: str) -> str:
    """The module that a system's name stands for.

    Args:
        name: of a system of this package, or of a module.

    Returns:
        Its dotted name.

    Raises:
        RequestError: there is none, or this is no name of a module.
    """
    if not _NAME.fullmatch(name):
        raise RequestError([f"system: expected the name of a system or of a Python module, got {name!r}"])
    if name in known_systems():
        return f"{_OURS}.{name}"
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        known = ", ".join(known_systems())
        raise RequestError(
            [f"system: expected one of {known}, or a module in this folder or in --config-dir, got {name}"]
        )
    return name


@functools.cache
def known_systems() -> list[str]:
    """The systems of this package: its modules that assign SYSTEM."""
    files = sorted(Path(__file__).parent.glob("[a-z]*.py"))
    return [file.stem for file in files if re.search(r"^SYSTEM\b", file.read_text("utf-8"), re.M)]


@contextmanager
def kernels_of(name: str) -> Iterator[None]:
    """Keep kernels that compile meanwhile in a folder of this code of a system, so that none is ever stale.

    Args:
        name: of the system, as of `find`.

    Raises:
        RequestError: as `find` does.
    """
    if name in known_systems():
        yield  # the kernels of `sim` have a folder of their own
        return
    with kernels_kept_by(f"{name}-{as_hex(loaded(name).digest)}"):
        yield


def _load(name: str, module: str, version: dict[str, str]) -> None:
    digest = digest_of_version(version)
    _forget(modules_searched(module))
    try:
        with kernels_kept_by(f"{name}-{as_hex(digest)}"):
            imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise RequestError([f"system: {module} can't be imported: {_described(error)}"]) from error
    _loaded[name] = Loaded(_system_in(imported), version, digest)


def _system_in(module: ModuleType) -> System:
    system = getattr(module, "SYSTEM", None)
    if not isinstance(system, System):
        file = getattr(module, "__file__", None) or "no file"
        raise RequestError(
            [f"system: expected a module that assigns SYSTEM = System(…), got {module.__name__} ({file})"]
        )
    return system


def _version(module: str) -> dict[str, str]:
    try:
        return code_version(module)
    except (SyntaxError, OSError, ImportError) as error:
        raise RequestError([f"system: {module} can't be read: {_described(error)}"]) from error


def _forget(modules: Iterable[str]) -> None:
    """Let modules be imported anew, as their files are now; those of this program and of libraries are left alone."""
    for name in modules:
        file = getattr(sys.modules.get(name), "__file__", None) or ""
        if name.partition(".")[0] in ("sim", "pipeline") or not file or file.startswith(_LIBRARIES):
            continue
        cached = getattr(sys.modules.pop(name), "__cached__", None)
        with suppress(OSError):  # Python takes bytecode for current if second and size are the same
            Path(cached or "").unlink()
    importlib.invalidate_caches()


def _described(error: BaseException) -> str:
    """An error with the file and line it came from, outside of this program and of Python's import."""
    if isinstance(error, SyntaxError):
        line = "" if error.lineno is None else f", line {error.lineno}"
        return f"{error.filename}{line}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_of_a_user(frame.filename)]
    where = f"{frames[-1].filename}, line {frames[-1].lineno}: " if frames else ""
    return f"{where}{type(error).__name__}: {one_line(error)[:_SHOWN]}"


def _is_of_a_user(file: str) -> bool:
    return "importlib" not in file and not file.startswith("<") and Path(file).parent != Path(__file__).parent
