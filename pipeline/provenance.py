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
