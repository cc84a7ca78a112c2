"""The machine a benchmark runs on: its one core, its compilers, what to say about it."""

import importlib.util
import os
import platform
import shutil
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np


def _busy_ticks(cores: set[int]) -> dict[int, int]:
    """Ticks every core has spent on something so far."""
    ticks = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            user, nice, system = (int(field) for field in fields[:3])
            ticks[int(name[3:])] = user + nice + system
    return ticks


def use_one_core() -> None:
    """Bind this process, and the threads it will start, to the core that is least busy right now."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = os.sched_getaffinity(0)
    before = _busy_ticks(cores)
    time.sleep(0.5)
    after = _busy_ticks(cores)
    os.sched_setaffinity(0, {min(cores, key=lambda core: after[core] - before[core])})


def compilers() -> dict[str, str]:
    """Path to version of the C++ compilers found: g++ and clang++, and $CXX."""
    candidates = [os.environ.get("CXX"), "g++", "clang++"]
    paths = dict.fromkeys(path for name in candidates if name and (path := shutil.which(name)))
    return {path: _first_line([path, "--version"]) for path in paths}


def describe() -> dict[str, str]:
    """What a reader of the numbers wants to know of the machine."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _first_line(["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]),
        "processor": f"{_processor()}, core {_cores()}, load {_load()}",
        "software": ", ".join(_versions("numpy", "numba", "llvmlite", "jax", "kuramoto")),
        "BLAS": _blas(),
        "compilers": ", ".join(compilers().values()) or "none",
    }


def _first_line(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        fields = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
        return f"{fields['model name'].strip()} (family{fields['cpu family']}, model{fields['model']})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def _cores() -> str:
    return ", ".join(map(str, sorted(os.sched_getaffinity(0)))) if hasattr(os, "sched_getaffinity") else "any"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def _versions(*packages: str) -> list[str]:
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return found


def _blas() -> str:
    """NumPy's BLAS and, where threadpoolctl can tell, the processor it chose its code for."""
    build = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    name = f"{build['name']} {build['version']}"
    if importlib.util.find_spec("threadpoolctl"):
        from threadpoolctl import threadpool_info

        pools = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
        return ", ".join([name, *(f"{pool['architecture']}, {pool['num_threads']} thread" for pool in pools)])
    return name
