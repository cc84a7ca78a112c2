"""Where numbers come from: the code that computes them, and the circumstances of a run."""

import ast
import functools
import hashlib
import inspect
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.systems import SYSTEMS

_PACKAGES = ("numpy", "numba", "llvmlite", "dask", "distributed", "xarray", "zarr", "hydra-core")


@functools.cache
def code_version(system: str) -> dict[str, str]:
    """Digest of every definition in the modules that compute a system: {"sim.kuramoto.learn": "1f…", …}.

    Comments, docstrings and formatting don't count.
    """
    pending, seen = [module.__name__ for module in SYSTEMS[system].modules], set()
    definitions = {}
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            tree = ast.parse(inspect.getsource(_module(name)))
            pending += _imported_siblings(tree)
            definitions |= {f"{name}.{label}": _digest(node) for label, node in _definitions(tree)}
    return dict(sorted(definitions.items()))


def code_digest(system: str) -> int:
    """One 64-bit number for `code_version`."""
    digest = hashlib.blake2b(repr(code_version(system)).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def _module(name: str) -> ModuleType:
    __import__(name)
    return sys.modules[name]


def _imported_siblings(tree: ast.Module) -> list[str]:
    """Modules of `sim` that a module imports."""
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return [name for name in names if name.startswith("sim.")]


def _definitions(tree: ast.Module) -> list[tuple[str, ast.stmt]]:
    """Top-level statements that can change a number, each with a name."""
    labelled = []
    for number, node in enumerate(tree.body):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        label = getattr(node, "name", None)
        if isinstance(node, ast.Assign):
            label = ", ".join(ast.unparse(target) for target in node.targets)
        elif isinstance(node, ast.AnnAssign):
            label = ast.unparse(node.target)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            continue  # what is imported counts in its own module
        labelled.append((f"{label or type(node).__name__}" if label != "_" else f"_[{number}]", node))
    return labelled


def _digest(node: ast.stmt) -> str:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef):
            inner.body = [
                s for s in inner.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
            ]
    return hashlib.blake2b(ast.dump(node).encode(), digest_size=6).hexdigest()


def circumstances() -> dict[str, Any]:
    """Command, commit, versions and machine of this process."""
    return {
        "command": shlex.join(["python", "-m", "pipeline", *sys.argv[1:]]),
        **_commit(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "platform": platform.platform(),
        "cpu": _cpu(),
    }


def _commit() -> dict[str, Any]:
    """The commit this code was checked out from, and whether files differ from it; None outside a checkout."""
    root = Path(__file__).parent.parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return {"commit": None, "dirty": None}
        return {
            "commit": git("rev-parse", "HEAD"),
            "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def _cpu() -> dict[str, Any]:
    import llvmlite.binding as llvm

    features = sorted(name for name, present in llvm.get_host_cpu_features().items() if present)
    return {"name": llvm.get_host_cpu_name(), "cores": os.cpu_count(), "features": features}
