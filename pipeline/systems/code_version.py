"""Which code computes a system's numbers: every definition reached from its block function, by digest.

Comments, docstrings and formatting don't count, nor does code that the block function can't reach. So a store
knows whether its blocks are those today's code would compute, and which definitions changed if not.
"""

import ast
import functools
import hashlib
import inspect
import sys
from collections.abc import Iterator

from pipeline.systems.interface import SYSTEMS

_OURS = ("sim", "pipeline.systems.interface")
"""Modules whose definitions count; what they import from libraries is told by the libraries' versions."""

Name = tuple[str, str]
"""Module and top-level name in it."""


@functools.cache
def code_version(system: str) -> dict[str, str]:
    """Digest of every definition a system's block function reaches: {"sim.kuramoto.learn": "1f…", …}."""
    compute = SYSTEMS[system].compute
    pending: list[Name] = [(compute.__module__, compute.__name__)]
    reached: dict[Name, list[ast.stmt]] = {}
    while pending:
        name = pending.pop()
        if name in reached:
            continue
        module = _module(name[0])
        reached[name] = module.statements.get(name[1], [])
        for statement in reached[name]:
            pending += module.references(statement)
        if name[1] in module.imported:
            pending.append(module.imported[name[1]])
        pending.append((name[0], ""))  # statements without a name, which run on import
    return {
        f"{module}.{name or '(on import)'}": _digest(statements)
        for (module, name), statements in sorted(reached.items())
        if statements
    }


@functools.cache
def code_digest(system: str) -> int:
    """One 64-bit number for `code_version`."""
    digest = hashlib.blake2b(repr(code_version(system)).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


class _Module:
    """Top-level statements of a module by the names they define, and what its names stand for."""

    def __init__(self, name: str) -> None:
        __import__(name)
        self.name = name
        self.statements: dict[str, list[ast.stmt]] = {}
        self.imported: dict[str, Name] = {}
        for statement in ast.parse(inspect.getsource(sys.modules[name])).body:
            if isinstance(statement, ast.ImportFrom) and _is_ours(statement.module or ""):
                self.imported |= {a.asname or a.name: (statement.module or "", a.name) for a in statement.names}
            elif not isinstance(statement, ast.Import | ast.ImportFrom) and not _is_docstring(statement):
                for label in _labels(statement):
                    self.statements.setdefault(label, []).append(statement)

    def references(self, statement: ast.stmt) -> Iterator[Name]:
        """Names of ours that a statement mentions."""
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                package, module = self.imported.get(node.value.id, ("", ""))
                if f"{package}.{module}" in sys.modules:  # `from sim import kuramoto`, then kuramoto.learn
                    yield f"{package}.{module}", node.attr
            elif isinstance(node, ast.Name) and node.id in self.imported:
                package, name = self.imported[node.id]
                if f"{package}.{name}" not in sys.modules:
                    yield package, name
            elif isinstance(node, ast.Name) and node.id in self.statements:
                yield self.name, node.id


@functools.cache
def _module(name: str) -> _Module:
    return _Module(name)


def _is_ours(module: str) -> bool:
    return any(module == ours or module.startswith(f"{ours}.") for ours in _OURS)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _labels(statement: ast.stmt) -> list[str]:
    """The names under which a statement counts.

    A definition named `_` is attached by its decorator to another: `@overload(f) def _` counts with f.
    """
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        if statement.name != "_":
            return [statement.name]
        calls = [decorator for decorator in statement.decorator_list if isinstance(decorator, ast.Call)]
        return [a.id for call in calls for a in call.args[:1] if isinstance(a, ast.Name)] or [""]
    if isinstance(statement, ast.Assign):
        return [node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return [""]


def _digest(statements: list[ast.stmt]) -> str:
    digest = hashlib.blake2b(digest_size=6)
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                node.body = [inner for inner in node.body if not _is_docstring(inner)] or [ast.Pass()]
        digest.update(ast.dump(statement).encode())
    return digest.hexdigest()
