"""A user's own functions by name: `my_module:function`."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.digest import as_hex, digest_of
from pipeline.errors import RequestError
from pipeline.systems.finding import described_anywhere

_NAME = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_loaded: dict[str, tuple[str, Callable[..., Any]]] = {}
"""Functions that were found, with the digest of their module's file."""


def is_function(name: str) -> bool:
    """Whether a name is to be one of a function: whether it has a colon.

    Args:
        name: as a user wrote it.

    Returns:
        True or False.
    """
    return ":" in name


def function_of(name: str) -> Callable[..., Any]:
    """The function of a name, as the file of its module is now.

    Args:
        name: `module:function`; the module is looked for where systems are.

    Returns:
        The function.

    Raises:
        RequestError: there is no such module, it can't be imported, or it has no such function.
    """
    return _found(name)[1]


def function_version(name: str) -> str:
    """A digest of the file that a function is in.

    Args:
        name: as of `function_of`.

    Returns:
        16 hexadecimal digits.

    Raises:
        RequestError: as `function_of` does.
    """
    return _found(name)[0]


def _found(name: str) -> tuple[str, Callable[..., Any]]:
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise RequestError([f"expected module:function, got {name}"])
    module, function = parts.groups()
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise RequestError([f"expected a module here, in --config-dir or on sys.path, got {module}"])
    digest = as_hex(digest_of(Path(spec.origin).read_bytes()))
    if name not in _loaded or _loaded[name][0] != digest:
        _loaded[name] = digest, _imported(module, function, spec.origin)
    return _loaded[name]


def _imported(module: str, function: str, file: str) -> Callable[..., Any]:
    sys.modules.pop(module, None)
    try:
        found = getattr(importlib.import_module(module), function, None)
    except (Exception, SystemExit) as error:
        raise RequestError([f"{module} can't be imported: {described_anywhere(error)}"]) from error
    if not callable(found):
        raise RequestError([f"expected a function {function} in {file}, got none"])
    own: Callable[..., Any] = found
    return own
