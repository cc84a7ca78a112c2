"""Memory: what computing a block takes, and how much there is."""

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from pipeline.plan.planning import Plan
from pipeline.words import size

_GROUPS = Path("/sys/fs/cgroup")
"""Where Linux tells of control groups, in which batch systems and containers bound the memory of processes."""


def block_bytes(plan: Plan) -> int:
    """The variables of a block.

    Args:
        plan: of the sweep.

    Returns:
        Bytes, uncompressed.

    Raises:
        RequestError: the system can't tell its dimensions.
    """
    sweep = plan.sweep
    sizes = sweep.system.sizes(sweep.settings_at(sweep.points[0]), sweep.records)
    values = sum(int(np.prod([sizes[dim] for dim in variable.dims])) for variable in sweep.system.variables)
    return 8 * values * sweep.block_members


def block_memory(plan: Plan) -> float:
    """What computing the largest block takes: its variables, and what the system says it takes beside them.

    Args:
        plan: of the sweep.

    Returns:
        Bytes; of the variables alone where the system says nothing.

    Raises:
        RequestError: the system can't tell, or gives no numbers from 0 on.
    """
    return block_bytes(plan) + plan.memory_beside


def too_large(plan: Plan, most: float, where: str) -> str:
    """Why the largest block of a plan can't be computed with the memory there is.

    Args:
        plan: whose missing blocks are to be computed.
        most: bytes that a worker has at most; infinite if nobody knows.
        where: what has so much.

    Returns:
        The key, what was expected and got, and what to do; empty if it fits.
    """
    if plan.complete or (needed := block_memory(plan)) <= most:
        return ""
    got = f"blocks of at most {size(most)}, the memory of {where}, got one that takes {size(needed)}"
    if block_bytes(plan) > needed / 2:
        return f"store.block_members: expected {got}; choose fewer, or fewer store.records"
    return f"settings: expected {got}, however few its members are; choose a smaller system or a shorter delay"


def memory_here() -> float:
    """The memory that a process on this machine may take at most: all there is, or as much as it is granted.

    Returns:
        Bytes.
    """
    limits = [float(psutil.virtual_memory().total), *_groups_limits()]
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        granted, _ = resource.getrlimit(kind)
        limits += [] if granted == resource.RLIM_INFINITY else [float(granted)]
    return min(limits)


def _groups_limits() -> Iterator[float]:
    """Limits of the control groups that this process is in."""
    with suppress(OSError, ValueError):
        line = next(iter(Path("/proc/self/cgroup").read_text().splitlines()), "")
        group = _GROUPS / line.partition("::")[2].lstrip("/")
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError):  # "max" where there is none
                yield float(int((folder / "memory.max").read_text()))
