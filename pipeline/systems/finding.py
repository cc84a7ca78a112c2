"""Systems by name: `find("kuramoto")` is `SYSTEM` of `pipeline.systems.kuramoto`, else of the module of that name."""

import functools
import importlib
import importlib.util
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from pipeline.digest import as_hex, digest_of_all
from pipeline.errors import RequestError
from pipeline.systems.code_version import (
    code_version,
    digest_of_version,
    may_define,
    modules_searched,
    top_level,
)  # fmt: skip
from pipeline.systems.interface import System
from pipeline.systems.kernel_folder import kernels_kept_by
from pipeline.words import brief, one_line

_OURS = __package__
_LIBRARIES = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")})
"""Folders of code that nobody edits while it is in use."""
_SHOWN = 300
"""Characters of an error's own message that are kept."""
_LONGEST_NAME = 200
"""A module's name is that of a file."""
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class Loaded(NamedTuple):
    """A system and the code it was imported with: what computes now, whatever its files say since."""

    system: System
    version: dict[str, str]
    """The definitions that its numbers depend on: name → digest."""
    digest: int
    """One 64-bit number for `version`."""
    sources: int = 0
    """A digest of its files, for a system outside of this program."""


_loaded: dict[str, Loaded] = {}
_folders: list[str] = []
"""Where systems are looked for, beside the path: those of the last request."""
_appended: list[str] = []
"""Those of them that are in the path for that alone."""


def search_in(folders: Iterable[str]) -> None:
    """Let systems be found in some folders, and in those of earlier requests no more.

    They go to the end of the path, so that they hide no library.

    Args:
        folders: paths, absolute, as the working directory may change.
    """
    wanted = list(dict.fromkeys(folders))
    if wanted != _folders:
        sys.path[:] = [folder for folder in sys.path if folder not in _appended]
        _folders[:], _appended[:] = wanted, [folder for folder in wanted if folder not in sys.path]
        sys.path.extend(_appended)
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
    version, sources = _version(module), _sources(module)
    if name not in _loaded or _loaded[name].sources != sources:
        _loaded[name] = Loaded(_load(name, module, version), version, digest_of_version(version), sources)
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


def find_or_loaded(name: str) -> System:
    """The system of a name or, where its files are not found any more, as this process imported it.

    Args:
        name: as of `find`.

    Returns:
        The system.

    Raises:
        RequestError: as `find` does, if it was not imported either.
    """
    try:
        return find(name)
    except RequestError:
        if name not in _loaded:
            raise
        return _loaded[name].system


def module_name(name: str) -> str:
    """The module that a system's name stands for.

    Args:
        name: of a system of this package, or of a module.

    Returns:
        Its dotted name.

    Raises:
        RequestError: there is none, or this is no name of a module.
    """
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise RequestError(
            [f"system: expected the name of a system or of a Python module, got {brief(repr(name))}"]
        )
    if name in known_systems():
        return f"{_OURS}.{name}"
    top = name.partition(".")[0]
    places = {Path(folder).resolve() for folder in _folders}
    holding = sorted(str(place) for place in places if (place / f"{top}.py").exists() or (place / top).is_dir())
    if len(holding) > 1 and all((Path(place) / f"{top}.py").exists() for place in holding):
        raise RequestError(
            [f"system: expected one module {top}, got one in each of {', '.join(holding)}; rename one"]
        )
    if top_level(top) is None:
        known = ", ".join(known_systems())
        raise RequestError(
            [f"system: expected one of {known}, or a module here, in --config-dir or on sys.path, got {name}"]
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


def _load(name: str, module: str, version: dict[str, str]) -> System:
    digest = digest_of_version(version)
    _forget(_of_a_user(module))
    try:
        with kernels_kept_by(f"{name}-{as_hex(digest)}"):
            imported = importlib.import_module(module)
        _forgive_caches(module)
    except (Exception, SystemExit) as error:
        raise RequestError([f"system: {module} can't be imported: {described_anywhere(error)}"]) from error
    return _system_in(imported)


def _forgive_caches(module: str) -> None:
    """Let a system's kernels be compiled anew where what is kept of them is damaged."""
    if "numba" in sys.modules:
        from sim.kernel_cache import forgive_caches_of

        for name in _of_a_user(module):
            if name in sys.modules:
                forgive_caches_of(sys.modules[name])


def _system_in(module: ModuleType) -> System:
    system = getattr(module, "SYSTEM", None)
    if not isinstance(system, System):
        raise _without_system(module.__name__, getattr(module, "__file__", None))
    return system


def _without_system(module: str, file: str | None) -> RequestError:
    return RequestError(
        [f"system: expected a module that assigns SYSTEM = System(…), got {module} ({file or 'no file'})"]
    )


def is_of_a_library(module: str) -> bool:
    """Whether a module is an installed one.

    Args:
        module: its name; it can be found.

    Returns:
        True or False.
    """
    spec = importlib.util.find_spec(module)
    return spec is not None and str(spec.origin).startswith(_LIBRARIES)


def _version(module: str) -> dict[str, str]:
    try:
        if not may_define(module, "SYSTEM"):  # asked before it is imported, as any module can be named
            raise _without_system(module, getattr(top_level(module.partition(".")[0]), "origin", None))
        return code_version(module)
    except (SyntaxError, OSError, ImportError) as error:
        raise RequestError([f"system: {module} can't be read: {described_anywhere(error)}"]) from error


def _of_a_user(module: str) -> dict[str, str]:
    """The modules that a system's module is made of, by name, with their files; this program and libraries left out."""
    return {
        name: file
        for name, file in modules_searched(module).items()
        if file.endswith(".py")
        and name.partition(".")[0] not in ("sim", "pipeline")
        and not file.startswith(_LIBRARIES)
    }


def _sources(module: str) -> int:
    """A digest of the files that a system's module is made of."""
    return digest_of_all(f"{file}\0".encode() + Path(file).read_bytes() for file in _of_a_user(module).values())


def _forget(modules: Mapping[str, str]) -> None:
    """Let modules be imported anew, as their files are now."""
    for name, file in modules.items():
        sys.modules.pop(name, None)
        with suppress(OSError, ValueError):  # Python takes bytecode for current if second and size are the same
            Path(importlib.util.cache_from_source(file)).unlink()
    importlib.invalidate_caches()


def described_anywhere(error: BaseException) -> str:
    """An error of a user's module in one line.

    Args:
        error: what was raised.

    Returns:
        The file and line it came from, outside of this program and of Python's import; its type and its message.
    """
    if isinstance(error, SyntaxError):
        line = "" if error.lineno is None else f", line {error.lineno}"
        return f"{error.filename}{line}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_of_a_user(frame.filename)]
    frames = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)] or frames
    where = f"{frames[-1].filename}, line {frames[-1].lineno}: " if frames else ""
    return f"{where}{type(error).__name__}: {one_line(error)[:_SHOWN]}"


def _is_of_a_user(file: str) -> bool:
    return "importlib" not in file and not file.startswith("<") and Path(file).parent != Path(__file__).parent
