"""The circumstances of a run: command, commit, versions, machine."""

import os
import platform
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("numpy", "numba", "llvmlite", "dask", "distributed", "xarray", "zarr", "hydra-core")


def circumstances(command: str) -> dict[str, Any]:
    """The circumstances of a run.

    Args:
        command: what was typed.

    Returns:
        The command, and commit, versions and machine of this process.
    """
    return {"command": command, **commit(), **machine()}


def machine_of_worker() -> dict[str, Any]:
    """Host, versions and processor of the worker that calls."""
    return {"host": socket.gethostname(), **machine()}


def machine() -> dict[str, Any]:
    """Versions, platform and processor of this process: what may change the bits of a result, beside the code."""
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "platform": platform.platform(),
        "cpu": _cpu(),
    }


def commit() -> dict[str, Any]:
    """The commit this code was checked out from, and whether files differ from it; None outside a checkout."""
    if not _is_checkout():
        return {"commit": None, "dirty": None}
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def commits_of(file: Path) -> list[tuple[str, str, str]]:
    """The commits that wrote or changed a file of this code.

    Args:
        file: within the checkout.

    Returns:
        Of each its time in UTC, ISO 8601, its short name and its subject, oldest first; none outside a checkout.
    """
    if not _is_checkout():
        return []
    told = [
        "log",
        "--reverse",
        "--date=format-local:%Y-%m-%dT%H:%M:%S",
        "--format=%cd%x09%h%x09%s",
        "--",
        str(file),
    ]
    found = (line.split("\t", 2) for line in _git(*told).splitlines())
    return [(when, name, subject) for when, name, subject in found]


_ROOT = Path(__file__).parent.parent


def _git(*arguments: str) -> str:
    command, environment = ["git", "-C", str(_ROOT), *arguments], {**os.environ, "TZ": "UTC"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()


def _is_checkout() -> bool:
    try:
        return Path(_git("rev-parse", "--show-toplevel")).resolve() == _ROOT.resolve() and bool(
            _git("rev-parse", "--verify", "--quiet", "HEAD")
        )
    except (OSError, subprocess.CalledProcessError):
        return False


def _cpu() -> dict[str, Any]:
    import llvmlite.binding as llvm

    features = sorted(name for name, present in llvm.get_host_cpu_features().items() if present)
    return {"name": llvm.get_host_cpu_name(), "cores": os.cpu_count(), "features": features}
