"""A user's own functions by name: `my_module:function`."""

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pipeline.digest import as_hex, digest_of_all
from pipeline.errors import RequestError
from pipeline.systems.finding import described_anywhere, is_of_a_library

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
    """A digest of the code of the module that a function is in, and of the modules beside it that it imports.

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
    trees = _trees(module)
    if module not in trees:
        raise RequestError([f"expected a module here, in --config-dir or on sys.path, got {module}"])
    digest = as_hex(digest_of_all(ast.dump(tree).encode() for _, tree in sorted(trees.items())))
    if name not in _loaded or _loaded[name][0] != digest:
        _loaded[name] = digest, _imported(module, function, trees)
    return _loaded[name]


def _trees(module: str) -> dict[str, ast.Module]:
    """The code of a module and of those beside it that it imports, by name; comments and layout are no part of it."""
    first = _file_of(module)
    found, left = dict[str, ast.Module](), [module] if first else []
    while left:
        name = left.pop()
        file = _file_of(name)
        if name in found or file is None or first is None or not file.is_relative_to(first.parent):
            continue
        try:
            found[name] = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, OSError) as error:
            raise RequestError([f"{name} can't be read: {described_anywhere(error)}"]) from error
        for node in ast.walk(found[name]):
            if isinstance(node, ast.Import):
                left += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                left.append(node.module)
    return found


def _file_of(module: str) -> Path | None:
    """The source file of a module; None if there is none."""
    try:
        spec = importlib.util.find_spec(module)
    except (Exception, SystemExit) as error:  # a package that it is in is imported
        if isinstance(error, ImportError | ValueError):
            return None
        raise RequestError([f"{module} can't be imported: {described_anywhere(error)}"]) from error
    file = Path(spec.origin) if spec is not None and spec.origin is not None else None
    return file if file is not None and file.suffix == ".py" and file.is_file() else None


def _imported(module: str, function: str, trees: Iterable[str]) -> Callable[..., Any]:
    if not is_of_a_library(module):
        for name in trees:
            sys.modules.pop(name, None)
    try:
        found = getattr(importlib.import_module(module), function, None)
    except (Exception, SystemExit) as error:
        raise RequestError([f"{module} can't be imported: {described_anywhere(error)}"]) from error
    if not callable(found):
        raise RequestError([f"expected a function {function} in {module}, got none"])
    own: Callable[..., Any] = found
    return own
